import { type Device, type DType, scope, type Tensor, tensor, torchGenerator } from "@snoopi/core";
import { type Attend, attentionLayer, load, mergeHeads, params, plain } from "@snoopi/models";
import { negativeGuidance, negativeMethods } from "@snoopi/snoopi";
import fc from "fast-check";
import { describe, expect, test } from "vitest";
import { devices } from "../devices.ts";

// Guidance where weights and activations lie in f16, beside the same numbers in f32.

const sizes = fc.record({
  batch: fc.integer({ min: 1, max: 2 }),
  heads: fc.integer({ min: 1, max: 3 }),
  headWidth: fc.integer({ min: 1, max: 9 }),
  queries: fc.integer({ min: 1, max: 17 }),
  length: fc.integer({ min: 1, max: 17 }),
  negativeLength: fc.integer({ min: 1, max: 17 }),
  scale: fc.double({ min: 0.05, max: 2, noNaN: true }),
  seed: fc.nat(2 ** 31),
});
type Sizes = typeof sizes extends fc.Arbitrary<infer T> ? T : never;
const contextWidth = 6;

/** What reaches the output projection, from numbers that f16 holds. */
function setting(device: Device, { batch, heads, headWidth, queries, length, negativeLength, seed }: Sizes) {
  const generator = torchGenerator(seed);
  const normal = (shape: readonly number[], by = 1): Tensor =>
    tensor(
      Float32Array.from(generator.randn(shape.reduce((a, b) => a * b)), (v) => v * by),
      { shape, device },
    ).to("f16");
  const width = heads * headWidth;
  const matrix = (from: number) => normal([width, from], 1 / Math.sqrt(from));
  const weights = Object.entries({
    "to_q.weight": matrix(width),
    "to_k.weight": matrix(contextWidth),
    "to_v.weight": matrix(contextWidth),
    "to_out.0.weight": matrix(width),
    "to_out.0.bias": normal([width]),
  });
  const x = normal([batch, queries, width]);
  const [positive, negative, empty] = [length, negativeLength, 2].map((l) => normal([1, l, contextWidth]));
  return (dtype: DType, guidanceOf: (texts: { negative: { tokens: Tensor }; empty: { tokens: Tensor } }) => Attend): Tensor => {
    const as = (t: Tensor) => t.to(dtype);
    const run = attentionLayer(params(load(new Map(weights.map(([name, t]) => [name, as(t)])))), {
      ...{ width, heads, headWidth, contextWidth },
    });
    let z: Tensor | undefined;
    const attend = guidanceOf({ negative: { tokens: as(negative) }, empty: { tokens: as(empty) } });
    run(as(x), { tokens: as(positive) }, (...call) => (z = attend(...call)));
    return mergeHeads(z!);
  };
}

for (const { name: on, device } of devices) {
  describe.each(negativeMethods.map(({ name }) => name))(`guidance by %s in f16 on ${on}`, (name) => {
    const guided =
      (scale: number) =>
      (texts: Pick<Parameters<typeof negativeGuidance>[1], "negative" | "empty">): Attend =>
        negativeGuidance(name, { ...texts, scale, cache: false })();

    test("is f32's to the roundings of f16, and in f16 again", () =>
      fc.assert(
        fc.asyncProperty(sizes, (some) =>
          scope(async () => {
            const inner = setting(device, some);
            const [half, whole] = [inner("f16", guided(some.scale)), inner("f32", guided(some.scale))];
            expect([half.dtype, whole.dtype]).toEqual(["f16", "f32"]);
            const [found, expected] = [await half.to("f32").data(), await whole.data()];
            // Scores of some units, of q and k that are rounded by 2⁻¹¹ each, change weights by some 2⁻⁹; values and results of some units are
            // rounded a few times more. What is left of a difference counts (1 + scale) times, NAG's (1 + 2φ). 3.3e-3 at most in 60 runs of each.
            const bound = 32 * 2 ** -11 * (1 + 2 * some.scale);
            for (const [i, value] of found.entries()) expect(Math.abs(value - expected[i])).toBeLessThan(bound);
          }),
        ),
        { numRuns: 12 },
      ));

    test("is plain attention at scale 0, bit for bit", () =>
      fc.assert(
        fc.asyncProperty(sizes, (some) =>
          scope(async () => {
            const inner = setting(device, some);
            expect(await inner("f16", guided(0)).data()).toEqual(await inner("f16", () => plain).data());
          }),
        ),
        { numRuns: 6 },
      ));
  });
}
