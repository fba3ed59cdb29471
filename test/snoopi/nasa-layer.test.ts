import { broadcastTo, concat, type Device, scope, type Tensor, tensor, torchGenerator } from "@snoopi/core";
import {
  type Attend,
  attentionLayer,
  type Context,
  type CrossAttention,
  load,
  mergeHeads,
  params,
  plain,
  splitHeads,
} from "@snoopi/models";
import { nasa } from "@snoopi/snoopi";
import fc from "fast-check";
import { describe, expect, test } from "vitest";
import { devices } from "../devices.ts";
import { steer } from "./steer.ts";

// What spec and algebra say about NASA in one cross-attention layer, on random sizes and numbers.

const sizes = fc.record({
  batch: fc.integer({ min: 1, max: 3 }),
  heads: fc.integer({ min: 1, max: 3 }),
  headWidth: fc.integer({ min: 1, max: 9 }),
  contextWidth: fc.integer({ min: 1, max: 12 }),
  queries: fc.integer({ min: 1, max: 20 }),
  length: fc.integer({ min: 1, max: 20 }),
  negativeLength: fc.integer({ min: 1, max: 20 }),
  alpha: fc.double({ min: 0.05, max: 1.5, noNaN: true }),
  seed: fc.nat(2 ** 31),
});

type Sizes = typeof sizes extends fc.Arbitrary<infer T> ? T : never;

// Sums of at most 20 products and a softmax in f32: some 2⁻²⁴ = 6e-8 each, relative to attention before the subtraction, which may
// cancel most of it. 5e-7 at most in 120 runs of each property on either device.
const near = 3e-6;

/** A layer with random weights, its seam laid open, and random texts. */
function setting(device: Device, { batch, heads, headWidth, contextWidth, queries, length, negativeLength, seed }: Sizes) {
  const generator = torchGenerator(seed);
  const normal = (...shape: number[]): Tensor => tensor(generator.randn(shape.reduce((a, b) => a * b)), { shape, device });
  const width = heads * headWidth;
  const weights = new Map([
    ["to_q.weight", normal(width, width)],
    ["to_k.weight", normal(width, contextWidth)],
    ["to_v.weight", normal(width, contextWidth)],
    ["to_out.0.weight", normal(width, width)],
    ["to_out.0.bias", normal(width)],
  ]);
  const run = attentionLayer(params(load(weights)), { width, heads, headWidth, contextWidth });
  const [x, positive, negative] = [normal(batch, queries, width), normal(1, length, contextWidth), normal(1, negativeLength, contextWidth)];
  /** What reaches the output projection, `[B, Lq, width]`. */
  const inner = (attend: Attend, context: Context = { tokens: positive }): Tensor => {
    let z: Tensor | undefined;
    run(x, context, (...call) => (z = attend(...call)));
    return mergeHeads(z!);
  };
  return { run, inner, weights, x, normal, positive: { tokens: positive }, negative: { tokens: negative }, generator };
}

/** Distance of two results relative to what attention alone amounts to: the scale of the numbers that were subtracted. */
const apart = async (a: Tensor, b: Tensor, scale: Tensor): Promise<number> => {
  const [x, y, s] = [await a.data(), await b.data(), await scale.data()];
  const norm = (values: readonly number[]) => Math.hypot(...values);
  expect(a.shape).toEqual(b.shape);
  return norm([...x].map((v, i) => v - y[i])) / norm([...s]);
};

/** Softmax attention written out in f64. `counts(key)` says whether a key is seen, `bias(key)` what is added to its score. */
async function explicit(
  [q, k, v]: readonly Tensor[],
  counts: (key: number) => boolean = () => true,
  bias: (key: number) => number = () => 0,
): Promise<Float64Array> {
  const [b, h, lq, d] = q.shape;
  const lk = k.shape[2];
  const [Q, K, V] = [await q.data(), await k.data(), await v.data()];
  const out = new Float64Array(b * h * lq * d);
  for (let row = 0; row < b * h * lq; row++) {
    const [image, head] = [Math.floor(row / (h * lq)), Math.floor(row / lq) % h];
    const first = ((k.shape[0] === 1 ? 0 : image) * h + head) * lk;
    const weights = Array.from({ length: lk }, (_, key) => {
      let score = 0;
      for (let c = 0; c < d; c++) score += Q[row * d + c] * K[(first + key) * d + c];
      return counts(key) ? Math.exp(score / Math.sqrt(d) + bias(key)) : 0;
    });
    const total = weights.reduce((a, w) => a + w, 0);
    for (let c = 0; c < d; c++) out[row * d + c] = weights.reduce((sum, w, key) => sum + (w / total) * V[(first + key) * d + c], 0);
  }
  return out;
}

for (const { name, device } of devices) {
  describe(`NASA in a layer on ${name}`, () => {
    const property = (check: (given: ReturnType<typeof setting>, sizes: Sizes) => Promise<void>) =>
      fc.assert(
        fc.asyncProperty(sizes, (some) => scope(() => check(setting(device, some), some))),
        { numRuns: 12 },
      );

    test("is softmax(QK₊ᵀ/√d)V₊ − α·softmax(QK₋ᵀ/√d)V₋, each text under a mask of its own", () =>
      property(async ({ inner, x, weights, normal, positive, negative }, { heads, length, negativeLength, alpha }) => {
        const project = (tokens: Tensor, name: string) => splitHeads(tokens.matmul(weights.get(`${name}.weight`)!.transpose()), heads);
        const q = project(x, "to_q");
        const of = ({ tokens }: Context) => [q, project(tokens, "to_k"), project(tokens, "to_v")];
        // The first key always counts. The positive's mask says which do, the negative's is added to the scores.
        const counts = (key: number) => key % 3 !== 1;
        const added = normal(1, negativeLength);
        const bias = await added.data();
        const kept = tensor(
          Array.from({ length }, (_, key) => counts(key)),
          { device },
        ).reshape([1, 1, 1, length]);
        const z = inner(steer({ negative: { ...negative, mask: added }, scale: alpha }), { ...positive, mask: kept });
        const [towards, away] = [await explicit(of(positive), counts), await explicit(of(negative), undefined, (key) => bias[key])];
        const expected = Float32Array.from(towards, (value, i) => value - alpha * away[i]);
        const scale = mergeHeads(
          tensor(
            Float32Array.from(towards, (value, i) => Math.abs(value) + alpha * Math.abs(away[i])),
            { shape: q.shape },
          ),
        );
        expect(await apart(z, mergeHeads(tensor(expected, { shape: q.shape })), scale)).toBeLessThan(near);
      }));

    test("is plain attention at α = 0, bit for bit", () =>
      property(async ({ run, x, positive, negative }) => {
        expect(await run(x, positive, steer({ negative, scale: 0 })).data()).toEqual(await run(x, positive).data());
      }));

    test("leaves the bias of the output projection at α = 1 when both texts are the same", () =>
      property(async ({ run, x, weights, positive }) => {
        const out = run(x, positive, steer({ negative: positive, scale: 1 }));
        expect(await out.data()).toEqual(await broadcastTo(weights.get("to_out.0.bias")!, out.shape).data());
      }));

    test("is linear in α before the output projection", () =>
      property(async ({ inner, negative }, { alpha }) => {
        const [none, one, some] = [0, 1, alpha].map((scale) => inner(steer({ negative, scale })));
        const expected = none.mul(1 - alpha).add(one.mul(alpha));
        expect(await apart(some, expected, none)).toBeLessThan(near);
      }));

    test("does not see the order of the negative's tokens, nor what its mask hides", () =>
      property(async ({ inner, normal, negative: { tokens } }, { negativeLength, contextWidth, alpha, seed }) => {
        const counts = Array.from({ length: negativeLength }, (_, i) => i === 0 || ((seed >> (i % 31)) & 1) === 1);
        const order = counts.map((_, i) => i).sort((a, b) => ((a * 7919 + seed) % 31) - ((b * 7919 + seed) % 31));
        const maskOf = (bits: readonly boolean[]) => tensor([...bits], { device }).reshape([1, 1, 1, bits.length]);
        const z = (context: Context) => inner(steer({ negative: context, scale: alpha }));
        const reference = z({ tokens, mask: maskOf(counts) });
        const scale = inner(plain);
        const shuffled = concat(
          order.map((i) => tokens.slice([null, [i, i + 1]])),
          { axis: 1 },
        );
        const moved = z({ tokens: shuffled, mask: maskOf(order.map((i) => counts[i])) });
        expect(await apart(moved, reference, scale)).toBeLessThan(near);
        // Padding as large as it may be: hidden is hidden.
        const padded = concat([tokens, normal(1, 5, contextWidth).mul(1e4)], { axis: 1 });
        const longer = z({ tokens: padded, mask: maskOf([...counts, ...new Array<boolean>(5).fill(false)]) });
        expect(await apart(longer, reference, scale)).toBeLessThan(near);
        const only = concat(
          counts.flatMap((kept, i) => (kept ? [tokens.slice([null, [i, i + 1]])] : [])),
          { axis: 1 },
        );
        expect(await apart(z({ tokens: only }), reference, scale)).toBeLessThan(near);
      }));

    test("gives one negative to a whole batch", () =>
      property(async ({ inner, negative }, { batch, alpha }) => {
        const many = { tokens: concat(new Array<Tensor>(batch).fill(negative.tokens)) };
        const [shared, repeated] = [negative, many].map((context) => inner(steer({ negative: context, scale: alpha })));
        expect(await apart(shared, repeated, inner(plain))).toBeLessThan(near);
      }));

    test("takes a scale for each image", () =>
      property(async ({ inner, negative }, { batch, alpha }) => {
        const scales = Array.from({ length: batch }, (_, i) => (alpha * i) / 2);
        const z = inner(steer({ negative, scale: tensor(scales, { device }) }));
        for (const [i, scale] of scales.entries()) {
          const alone = inner(steer({ negative, scale }));
          const image = (t: Tensor) => t.slice([[i, i + 1]]);
          expect(await apart(image(z), image(alone), inner(plain))).toBeLessThan(near);
        }
      }));

    test("wraps another guidance: two negatives are both subtracted", () =>
      property(async ({ inner, positive, negative }, { alpha }) => {
        const one = steer({ negative, scale: alpha });
        const both = inner(steer({ negative: positive, scale: 0.25 }, one));
        const expected = inner(one).sub(inner(plain).mul(0.25));
        expect(await apart(both, expected, inner(plain))).toBeLessThan(near);
      }));

    test("projects its negative once and frees it when it is disposed of", () =>
      scope(async () => {
        const { inner, negative } = setting(device, {
          batch: 2,
          heads: 2,
          headWidth: 4,
          contextWidth: 6,
          queries: 5,
          length: 7,
          negativeLength: 3,
          alpha: 1,
          seed: 5,
        });
        let calls = 0;
        let counted: CrossAttention | undefined;
        const steering = nasa({ negative, scale: tensor([0.5, 1], { device }) });
        const attend: Attend = (q, context, layer) => {
          counted ??= {
            ...layer,
            keysValues: (of) => {
              if (of === negative) calls++;
              return layer.keysValues(of);
            },
          };
          return steering()(q, context, counted);
        };
        const run = () => scope(() => inner(attend).data());
        await inner(plain).data();
        const before = device.memory();
        const first = await run();
        expect(await run()).toEqual(first);
        expect(calls).toBe(1);
        // k and v of [1, 2, 3, 4] in f32, and the scales' own storage.
        expect(device.memory().bytes - before.bytes).toBeGreaterThanOrEqual(2 * 24 * 4);
        steering[Symbol.dispose]();
        expect(device.memory().tensors).toBeLessThanOrEqual(before.tensors);
      }));
  });
}

describe("a scale that cannot be", () => {
  const negative = { tokens: tensor([[[1, 2]]]) };
  test.each([-0.5, Number.NaN, Number.POSITIVE_INFINITY])("is refused: %d", (scale) => {
    expect(() => nasa({ negative, scale })).toThrow(`nasa: the scale is ${scale}, expected a number ≥ 0 or a tensor [B].`);
  });

  test("is a tensor of more than one axis", () => {
    expect(() => nasa({ negative, scale: tensor([[1, 2]]) })).toThrow(
      "nasa: the scale is a tensor [1, 2], expected a number ≥ 0 or a tensor [B].",
    );
  });
});
