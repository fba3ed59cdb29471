import { abs, concat, cpu, SnoopiError, scope, sum, type Tensor, tensor, torchGenerator } from "@snoopi/core";
import { checkGrads } from "@snoopi/core/testing";
import { type Attend, attentionLayer, type Context, load, mergeHeads, params, plain } from "@snoopi/models";
import fc from "fast-check";
import { describe, expect, test } from "vitest";
import { nasa } from "./nasa.ts";
import { type NegativeGuidanceOptions, negativeGuidance, negativeMethods } from "./negative-guidance.ts";
import type { Strength } from "./strength.ts";

const sizes = fc.record({
  batch: fc.integer({ min: 1, max: 2 }),
  heads: fc.integer({ min: 1, max: 2 }),
  queries: fc.integer({ min: 1, max: 6 }),
  length: fc.integer({ min: 1, max: 6 }),
  negativeLength: fc.integer({ min: 1, max: 6 }),
  scale: fc.double({ min: 0.05, max: 3, noNaN: true }),
  seed: fc.nat(2 ** 31),
});
type Sizes = typeof sizes extends fc.Arbitrary<infer T> ? T : never;

// A softmax and sums of at most 16 products in f32, values of order 1 to 10: some 2⁻²⁴ = 6e-8 each.
const near = 1e-5;
const [headWidth, contextWidth] = [3, 4];

function setting({ batch, heads, queries, length, negativeLength, seed }: Sizes) {
  const generator = torchGenerator(seed);
  const normal = (...shape: number[]): Tensor => tensor(generator.randn(shape.reduce((a, b) => a * b)), { shape, device: cpu });
  const width = heads * headWidth;
  const weights = {
    "to_q.weight": normal(width, width),
    "to_k.weight": normal(width, contextWidth),
    "to_v.weight": normal(width, contextWidth),
    "to_out.0.weight": normal(width, width),
    "to_out.0.bias": normal(width),
  };
  const layerOf = (w: Readonly<Record<string, Tensor>>) =>
    attentionLayer(params(load(new Map(Object.entries(w)))), { width, heads, headWidth, contextWidth });
  const x = normal(batch, queries, width);
  const [positive, negative, empty] = [length, negativeLength, 2].map((l) => ({ tokens: normal(1, l, contextWidth) }));
  const inner = (attend: Attend, context: Context = positive): Tensor => {
    let z: Tensor | undefined;
    layerOf(weights)(x, context, (...call) => (z = attend(...call)));
    return mergeHeads(z!);
  };
  return { weights, layerOf, inner, x, normal, positive, negative, empty };
}

const property = (check: (given: ReturnType<typeof setting>, sizes: Sizes) => Promise<void>) =>
  fc.assert(
    fc.asyncProperty(sizes, (some) => scope(() => check(setting(some), some))),
    { numRuns: 15 },
  );

const by = (name: string, options: NegativeGuidanceOptions) => negativeGuidance(name, { cache: false, ...options })();

const close = async (a: Tensor, b: Tensor) => {
  const [x, y] = [await a.data(), await b.data()];
  expect(a.shape).toEqual(b.shape);
  const size = Math.max(1, ...[...y].map(Math.abs));
  for (const [i, v] of [...x].entries()) expect(Math.abs(v - y[i]) / size).toBeLessThan(near);
};

describe.each(negativeMethods.map(({ name }) => name))("guidance by %s", (name) => {
  test("is plain attention at scale 0, bit for bit, also in a layer that no pattern names", () =>
    property(async ({ inner, negative, empty }) => {
      const plainly = await inner(plain).data();
      expect(await inner(by(name, { negative, empty, scale: 0 })).data()).toEqual(plainly);
      expect(await inner(by(name, { negative, empty, scale: { elsewhere: 1 } })).data()).toEqual(plainly);
    }));

  test("does not see padding that the negative's mask hides", () =>
    property(async ({ inner, negative, empty, normal }, { negativeLength, scale }) => {
      const padded = concat([negative.tokens, normal(1, 3, contextWidth).mul(100)], { axis: 1 });
      const mask = tensor(
        Array.from({ length: negativeLength + 3 }, (_, i) => i < negativeLength),
        { device: cpu },
      );
      const longer = inner(by(name, { negative: { tokens: padded, mask }, empty, scale }));
      await close(longer, inner(by(name, { negative, empty, scale })));
    }));

  test("gives one negative to a whole batch", () =>
    property(async ({ inner, negative, empty }, { batch, scale }) => {
      const many = { tokens: concat(new Array<Tensor>(batch).fill(negative.tokens)) };
      await close(inner(by(name, { negative, empty, scale })), inner(by(name, { negative: many, empty, scale })));
    }));

  test("has the derivative that differences give, by the queries' input, every projection's weights, both texts and the scales", () =>
    property(async ({ x, weights, layerOf, positive, negative, empty, normal }, { batch }) => {
      const names = Object.keys(weights);
      const fn = (...[input, to, from, neutral, scale, ...values]: Tensor[]) => {
        const attend = by(name, { negative: { tokens: from }, empty: { tokens: neutral }, scale, tau: 1.5 });
        return layerOf(Object.fromEntries(names.map((key, i) => [key, values[i]])))(input, { tokens: to }, attend);
      };
      const scales = abs(normal(batch)).add(0.5);
      await checkGrads(fn, [x, positive.tokens, negative.tokens, empty.tokens, scales, ...Object.values(weights)], { name });
    }));
});

describe("each method", () => {
  test("nasa is what nasa() computes, and is linear in α", () =>
    property(async ({ inner, negative }, { scale }) => {
      const z = inner(by("nasa", { negative, scale }));
      expect(await z.data()).toEqual(await inner(nasa({ negative, scale, cache: false })()).data());
      const one = inner(by("nasa", { negative, scale: 1 }));
      await close(
        z,
        inner(plain)
          .mul(1 - scale)
          .add(one.mul(scale)),
      );
    }));

  test("nasa at α = 1 away from the prompt itself is zero", () =>
    property(async ({ inner, positive }) => {
      expect((await inner(by("nasa", { negative: positive, scale: 1 })).data()).every((v) => v === 0)).toBe(true);
    }));

  test("neutral changes nothing when the negative is the empty prompt", () =>
    property(async ({ inner, empty }, { scale }) => {
      expect(await inner(by("neutral", { negative: empty, empty, scale })).data()).toEqual(await inner(plain).data());
    }));

  test("nag is plain attention for Z₋ = Z₊ and for a blend of 0", () =>
    property(async ({ inner, positive, negative }, { scale }) => {
      const z = await inner(plain).data();
      expect(await inner(by("nag", { negative: positive, scale })).data()).toEqual(z);
      expect(await inner(by("nag", { negative, scale, blend: 0 })).data()).toEqual(z);
    }));

  test.each(["nag", "nasa-guarded"])("%s keeps a token's L1 norm within τ of the positive's", (name) =>
    property(async ({ inner, negative }, { scale }) => {
      const norms = async (t: Tensor) => [...(await sum(abs(t), { axis: 2 }).data())];
      const bound = await norms(inner(plain));
      const got = await norms(inner(by(name, { negative, scale: 4 * scale, tau: 1.5, blend: 1 })));
      for (const [i, norm] of got.entries()) expect(norm).toBeLessThanOrEqual(1.5 * bound[i] * (1 + near));
    }),
  );

  test("every method wraps the attend function that it is given, but vsf, which would not call it and refuses any but plain", () =>
    property(async ({ inner, negative, empty }, { scale }) => {
      const twice: Attend = (...call) => plain(...call).mul(2);
      for (const { name } of negativeMethods) {
        const guidance = negativeGuidance(name, { negative, empty, scale, cache: false });
        expect(await inner(guidance(plain)).data()).toEqual(await inner(guidance()).data());
        const wrapped = () => inner(guidance(twice));
        if (name === "vsf")
          expect(wrapped).toThrow(
            "vsf: it attends to both texts in one softmax, so the attend function that it is to wrap would not be called.",
          );
        else expect(await wrapped().data()).not.toEqual(await inner(guidance()).data());
        // In a layer without guidance what is wrapped is all there is.
        const elsewhere = negativeGuidance(name, { negative, empty, scale: { elsewhere: 1 }, cache: false });
        expect(await inner(elsewhere(twice)).data()).toEqual(await inner(twice).data());
      }
    }));

  test("a scale that is a function sees the layer and the moment", () =>
    property(async ({ inner, negative }) => {
      const scheduled = negativeGuidance("nasa", { negative, cache: false, scale: (_, { step = 0 }) => (step < 2 ? 0.5 : 0) });
      expect(await inner(scheduled(plain, { step: 1 })).data()).toEqual(await inner(by("nasa", { negative, scale: 0.5 })).data());
      expect(await inner(scheduled(plain, { step: 2 })).data()).toEqual(await inner(plain).data());
    }));
});

describe("a setting that cannot be is refused in one line:", () => {
  const negative = { tokens: tensor([[[1, 2]]]) };
  const refused: [string, Partial<NegativeGuidanceOptions>, string][] = [
    ["nsa", {}, "negativeGuidance: there is no method nsa. Choose one of nasa, nasa-guarded, nag, vsf, neutral."],
    ["neutral", {}, "neutral: there is no `empty` context, expected the encoded empty prompt."],
    ["nag", { scale: -1 }, "nag: the scale is -1, expected a finite number ≥ 0."],
    ["vsf", { scale: Number.NaN }, "vsf: the scale is NaN, expected a finite number ≥ 0."],
    ["nasa", { scale: tensor([[1, 2]]) }, "nasa: the scale is a tensor [1, 2], expected [B]."],
    ["nag", { tau: 0 }, "nag: tau is 0, expected a finite number above 0."],
    ["nasa-guarded", { tau: Number.POSITIVE_INFINITY }, "nasa-guarded: tau is Infinity, expected a finite number above 0."],
    ["nag", { blend: 1.25 }, "nag: blend is 1.25, expected a number from 0 to 1."],
    ["nag", { blend: -0.5 }, "nag: blend is -0.5, expected a number from 0 to 1."],
    ["nag", { blend: Number.NaN }, "nag: blend is NaN, expected a number from 0 to 1."],
    ["vsf", { beta: Number.NEGATIVE_INFINITY }, "vsf: beta is -Infinity, expected a finite number."],
  ];
  test.each(refused)("%s %o", (name, options, message) => {
    expect(() => negativeGuidance(name, { negative, ...options })).toThrow(new SnoopiError(message));
  });

  test("a scale that a layer asks for", () =>
    property(async ({ inner, negative }, { batch }) => {
      const scaled = (scale: Strength) => () => inner(by("nasa", { negative, scale }));
      expect(scaled(() => Number.NaN)).toThrow("nasa: the scale is NaN, expected a finite number ≥ 0.");
      expect(scaled(tensor(new Array<number>(batch + 1).fill(1)))).toThrow(
        `nasa: the scale is a tensor [${batch + 1}] for a batch of ${batch}. Give one number for each image.`,
      );
    }));
});
