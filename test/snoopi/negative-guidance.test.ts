import { concat, createCpu, type Device, exp, fromData, scope, sum, type Tensor, tensor, torchGenerator } from "@snoopi/core";
import { webgpu } from "@snoopi/kernels/node";
import { type Attend, attentionLayer, type Context, type CrossAttention, load, mergeHeads, params, plain } from "@snoopi/models";
import { type NegativeGuidanceOptions, negativeGuidance, negativeMethods } from "@snoopi/snoopi";
import fc from "fast-check";
import { describe, expect, test } from "vitest";
import { devices } from "../devices.ts";

// What spec and algebra say about each method in one cross-attention layer, on random sizes and numbers, on every device.

const sizes = fc.record({
  batch: fc.integer({ min: 1, max: 3 }),
  heads: fc.integer({ min: 1, max: 3 }),
  headWidth: fc.integer({ min: 1, max: 9 }),
  contextWidth: fc.integer({ min: 1, max: 12 }),
  queries: fc.integer({ min: 1, max: 20 }),
  length: fc.integer({ min: 1, max: 20 }),
  negativeLength: fc.integer({ min: 1, max: 20 }),
  scale: fc.double({ min: 0.05, max: 3, noNaN: true }),
  seed: fc.nat(2 ** 31),
});
type Sizes = typeof sizes extends fc.Arbitrary<infer T> ? T : never;

// The same sums with other zeros between them, in f32: a few roundings of 2⁻²⁴ = 6e-8. In 60 runs of each, 1.5e-7 at most on lavapipe and
// nothing on the CPU.
const near = 1e-6;

/** A layer whose numbers are of order one, its seam laid open, and random texts. */
function setting(
  device: Device,
  { batch, heads, headWidth, contextWidth, queries, length, negativeLength, seed }: Sizes,
  dtype: "f32" | "f64" = "f32",
) {
  const generator = torchGenerator(seed);
  const normal = (shape: readonly number[], by = 1): Tensor => {
    const drawn = Float64Array.from(generator.randn(shape.reduce((a, b) => a * b, 1)), (v) => v * by);
    return fromData(dtype === "f64" ? drawn : Float32Array.from(drawn), { shape, dtype, device });
  };
  const width = heads * headWidth;
  const matrix = (to: number, from: number) => normal([to, from], 1 / Math.sqrt(from));
  const weights = new Map([
    ["to_q.weight", matrix(width, width)],
    ["to_k.weight", matrix(width, contextWidth)],
    ["to_v.weight", matrix(width, contextWidth)],
    ["to_out.0.weight", matrix(width, width)],
    ["to_out.0.bias", normal([width])],
  ]);
  const run = attentionLayer(params(load(weights)), { width, heads, headWidth, contextWidth });
  const x = normal([batch, queries, width]);
  const text = (tokens: number, images = 1) => ({ tokens: normal([images, tokens, contextWidth]) });
  const [positive, negative, empty] = [text(length), text(negativeLength), text(2)];
  /** What reaches the output projection, `[B, Lq, width]`. */
  const inner = (attend: Attend, context: Context = positive): Tensor => {
    let z: Tensor | undefined;
    run(x, context, (...call) => (z = attend(...call)));
    return mergeHeads(z!);
  };
  return { inner, text, positive, negative, empty, counts: (bits: readonly boolean[]) => tensor([...bits], { device }) };
}

const by = (name: string, options: NegativeGuidanceOptions) => negativeGuidance(name, { cache: false, ...options })();

/** The largest difference, in units of what attention over both texts amounts to. */
async function apart(a: Tensor, b: Tensor, magnitude = 1): Promise<number> {
  const [x, y] = [await a.data(), await b.data()];
  expect(a.shape).toEqual(b.shape);
  const size = Math.max(magnitude, ...[...y].map(Math.abs));
  return Math.max(...[...x].map((v, i) => Math.abs(v - y[i]) / size));
}

/** W·Z₊ − α(1 − W)·Z₋ with W the positive's share of one softmax. */
const vsfByIdentity =
  ({ negative, alpha, beta }: { negative: Context; alpha: number; beta: number }): Attend =>
  (q, context, layer) => {
    const [p, n] = [layer.keysValues(context), layer.keysValues(negative)];
    const mass = (k: Tensor) => sum(exp(q.matmul(k.transpose()).mul(1 / Math.sqrt(q.shape[3]))), { axis: 3, keepdims: true });
    const [up, down] = [mass(p.k), mass(n.k).mul(Math.exp(-beta))];
    const w = up.div(up.add(down));
    return w.mul(layer.attend(q, p)).sub(w.neg().add(1).mul(layer.attend(q, n)).mul(alpha));
  };

for (const { name: on, device } of devices) {
  const property = (check: (given: ReturnType<typeof setting>, sizes: Sizes) => Promise<void>, dtype?: "f64") =>
    fc.assert(
      fc.asyncProperty(sizes, (some) => scope(() => check(setting(device, some, dtype), some))),
      { numRuns: dtype ? 60 : 12 },
    );

  describe.each(negativeMethods.map(({ name }) => name))(`guidance by %s on ${on}`, (name) => {
    test("is plain attention at scale 0, bit for bit, and in a layer that its record does not name", () =>
      property(async ({ inner, negative, empty }) => {
        const plainly = await inner(plain).data();
        for (const scale of [0, {}, { elsewhere: 1 }, () => 0]) {
          expect(await inner(by(name, { negative, empty, scale })).data()).toEqual(plainly);
        }
      }));

    test("of a record takes the first key that the layer's path contains", () =>
      property(async ({ inner, negative, empty }, { scale }) => {
        // This layer's path is empty: it contains the empty key alone.
        const given = inner(by(name, { negative, empty, scale: { elsewhere: 7, "": scale } }));
        expect(await given.data()).toEqual(await inner(by(name, { negative, empty, scale })).data());
      }));

    test("takes a scale for each image, 0 among them", () =>
      property(async ({ inner, negative, empty }, { batch, scale }) => {
        const scales = Array.from({ length: batch }, (_, i) => (scale * i) / 2);
        const z = inner(by(name, { negative, empty, scale: tensor(scales, { device }) }));
        for (const [i, alone] of scales.entries()) {
          const image = (t: Tensor) => t.slice([[i, i + 1]]);
          // VSF at α = 0 still shares its softmax with the negative, where the number 0 is no guidance at all.
          const one = alone === 0 && name === "vsf" ? tensor([0], { device }) : alone;
          expect(await apart(image(z), image(inner(by(name, { negative, empty, scale: one }))))).toBeLessThan(near);
        }
      }));

    test("gives one negative to a whole batch, and to each image its own", () =>
      property(async ({ inner, text, positive, negative, empty }, { batch, length, negativeLength, scale }) => {
        const many = { tokens: concat(new Array<Tensor>(batch).fill(negative.tokens)) };
        const one = inner(by(name, { negative, empty, scale }));
        expect(await apart(one, inner(by(name, { negative: many, empty, scale })))).toBeLessThan(near);
        const [own, towards] = [text(negativeLength, batch), text(length, batch)];
        const each = inner(by(name, { negative: own, empty, scale }), towards);
        for (let i = 0; i < batch; i++) {
          const image = (t: Tensor) => t.slice([[i, i + 1]]);
          const alone = inner(by(name, { negative: { tokens: image(own.tokens) }, empty, scale }), { tokens: image(towards.tokens) });
          expect(await apart(image(each), image(alone))).toBeLessThan(near);
        }
        expect(await apart(one, inner(by(name, { negative: many, empty, scale }), positive))).toBeLessThan(near);
      }));

    test("does not see what masks hide, whether they are of booleans or of numbers, −∞ among them, or one of each", () =>
      property(async ({ inner, positive, negative, empty, text, counts }, { length, negativeLength, scale }) => {
        const reference = inner(by(name, { negative, empty, scale }));
        const padded = ({ tokens }: Context) => concat([tokens, text(3).tokens.mul(100)], { axis: 1 });
        const shown = (of: number) => Array.from({ length: of + 3 }, (_, i) => i < of);
        const bool = (of: number) => counts(shown(of));
        const added = (of: number) =>
          tensor(
            shown(of).map((kept) => (kept ? 0 : Number.NEGATIVE_INFINITY)),
            { device },
          ).reshape([1, 1, 1, of + 3]);
        for (const [towards, away] of [
          [bool, bool],
          [added, bool],
          [bool, added],
          [added, added],
        ] as const) {
          const long: Context = { tokens: padded(positive), mask: towards(length) };
          const z = inner(by(name, { negative: { tokens: padded(negative), mask: away(negativeLength) }, empty, scale }), long);
          expect(await apart(z, reference)).toBeLessThan(near);
        }
      }));

    test("projects its texts once, gives the same bits as without keeping them, and frees them when it is disposed of", async () => {
      // A device of its own: on a shared one the collector takes what other tests left while this one counts.
      const opened = on === "cpu" ? undefined : await webgpu();
      const own = opened ?? createCpu();
      const check = async ({ inner, negative, empty }: ReturnType<typeof setting>, { scale, heads, headWidth, negativeLength }: Sizes) => {
        const calls = new Map<Context, number>();
        let counted: CrossAttention | undefined;
        const guidance = negativeGuidance(name, { negative, empty, scale });
        const attend: Attend = (q, context, layer) => {
          counted ??= {
            ...layer,
            keysValues: (of) => {
              calls.set(of, (calls.get(of) ?? 0) + 1);
              return layer.keysValues(of);
            },
          };
          return guidance()(q, context, counted);
        };
        const expected = await scope(() => inner(by(name, { negative, empty, scale })).data());
        const before = own.memory();
        for (let i = 0; i < 3; i++) expect(await scope(() => inner(attend).data())).toEqual(expected);
        expect(calls.get(negative)).toBe(1);
        expect(calls.get(empty)).toBe(name === "neutral" ? 1 : undefined);
        // k and v of the negative in f32, and of the empty text's two tokens.
        const texts = negativeLength + (name === "neutral" ? 2 : 0);
        expect(own.memory().bytes - before.bytes).toBeGreaterThanOrEqual(2 * 4 * heads * headWidth * texts);
        guidance[Symbol.dispose]();
        const after = own.memory();
        expect([after.tensors, after.bytes]).toEqual([before.tensors, before.bytes]);
      };
      const runs = fc.asyncProperty(sizes, (some) => scope(() => check(setting(own, some), some)));
      await fc.assert(runs, { numRuns: 12 });
      opened?.destroy();
    });
  });

  describe(`vsf on ${on}`, () => {
    // The sides differ by the relative error δ of a ratio of exponentials: ΔW = W(1 − W)δ ≤ δ/4, times 1 + α and values of at most 3 or
    // so. On the CPU δ is the rounding of scores of a few units, some ten of 2⁻²⁴ (1.8e-7 at most in 60 runs, and 9e-16 in f64). WGSL
    // lets exp(x) be wrong by 3 + 2|x| units of 2⁻²³ besides, 1.5e-6 for |x| = 5 (6.8e-7 at most in 60 runs on lavapipe).
    const f32 = ["f32", on === "cpu" ? 1e-6 : 3e-6] as const;
    test.each([f32, ...(on === "cpu" ? [["f64", 1e-12] as const] : [])])(
      "is W·Z₊ − α(1 − W)·Z₋ with W the positive's share of one softmax, in %s to %d",
      (dtype, tolerance) =>
        property(
          async ({ inner, negative }, { scale }) => {
            const beta = 0.3;
            const expected = inner(vsfByIdentity({ negative, alpha: scale, beta }));
            const z = inner(by("vsf", { negative, scale, beta }));
            expect(await apart(z, expected, 1 + scale)).toBeLessThan(tolerance);
          },
          dtype === "f64" ? dtype : undefined,
        ),
    );
  });
}
