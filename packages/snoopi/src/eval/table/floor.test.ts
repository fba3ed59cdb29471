import fc from "fast-check";
import { expect, test } from "vitest";
import { judge } from "../../world/judge.ts";
import { floorOf, isValid, quantile } from "./floor.ts";

test("a quantile lies between its two nearest values, as NumPy has it", () => {
  // numpy.quantile([3, 1, 2, 10], [0, .05, .5, 1])
  expect([0, 0.05, 0.5, 1].map((share) => quantile([3, 1, 2, 10], share))).toEqual([1, 1.15, 2.5, 10]);
  expect(quantile([Number.POSITIVE_INFINITY, Number.POSITIVE_INFINITY], 0.3)).toBe(Number.POSITIVE_INFINITY);
  expect(() => quantile([], 0.5)).toThrow("quantile: 0.5 of 0 values. Pass at least 1 number, none NaN, and a share from 0 to 1.");
  expect(() => quantile([Number.NaN], 0.5)).toThrow("none NaN");
});

test("of what sets the floor at most a twentieth lies below it", () => {
  const seen = fc.record({ psnr: fc.double({ min: 0, max: 60, noNaN: true }), explained: fc.double({ min: 0, max: 1, noNaN: true }) });
  fc.assert(
    fc.property(fc.array(seen, { minLength: 1, maxLength: 200 }), (all) => {
      const floor = floorOf(all);
      expect(all.filter((one) => !isValid(one, floor)).length).toBeLessThanOrEqual(0.05 * all.length);
    }),
  );
});

test("a twentieth does lie below, whether the two figures agree or not", () => {
  const below = (explained: (i: number) => number) => {
    const all = Array.from({ length: 200 }, (_, i) => ({ psnr: i, explained: explained(i) }));
    const floor = floorOf(all);
    return all.filter((one) => !isValid(one, floor)).length;
  };
  expect(below((i) => i / 200)).toBe(10);
  // Each figure fails its own: five and five.
  expect(below((i) => -i / 200)).toBe(10);
});

test("a bare ground is below a floor that true pictures set, though its PSNR may not be", () => {
  const bare = judge(new Float32Array(3 * 64 * 64).fill(0.9));
  expect(bare.psnr).toBeGreaterThan(25);
  expect(isValid(bare, { psnr: 23, explained: 0.5 })).toBe(false);
});
