import { foldIn, keyFromSeed } from "@snoopi/core";
import fc from "fast-check";
import { describe, expect, test } from "vitest";
import { drawKappas, fixedKappa, type KappaSampler, meanKappa, table2, uniformKappa } from "./kappa.ts";

const seeds = fc.integer({ min: 0, max: 2 ** 31 });
const interval = fc
  .tuple(fc.double({ min: -2, max: 3, noNaN: true }), fc.double({ min: 0, max: 5, noNaN: true }))
  .map(([a, w]) => [a, a + w]);
const draw = (sampler: KappaSampler, seed: number, batch = 8) => drawKappas(sampler, { batch, key: keyFromSeed(seed) });

describe("κ", () => {
  test("is the same number for all, where it is fixed", () => {
    fc.assert(
      fc.property(seeds, (seed) => {
        const { teacher, lora } = draw(fixedKappa(4.5), seed);
        expect([...teacher, ...lora]).toEqual(new Array(16).fill(4.5));
      }),
    );
  });

  test("stays in its interval, and is the same again with the same key", () => {
    fc.assert(
      fc.property(seeds, interval, (seed, [min, max]) => {
        const { teacher } = draw(uniformKappa(min, max), seed);
        for (const k of teacher) {
          expect(k).toBeGreaterThanOrEqual(Math.fround(min));
          expect(k).toBeLessThanOrEqual(Math.fround(max));
        }
        expect(draw(uniformKappa(min, max), seed).teacher).toEqual(teacher);
      }),
    );
  });

  test("is one draw for both teachers where shared, and two where independent", () => {
    fc.assert(
      fc.property(seeds, (seed) => {
        const shared = draw(uniformKappa(0.5, 4), seed);
        expect(shared.lora).toEqual(shared.teacher);
        const apart = draw(uniformKappa(0.5, 4, { draws: "independent" }), seed);
        expect(apart.teacher).toEqual(shared.teacher);
        expect(apart.lora).not.toEqual(apart.teacher);
      }),
    );
  });

  test("is one draw for the batch, or one for each sample", () => {
    fc.assert(
      fc.property(seeds, (seed) => {
        expect(new Set(draw(uniformKappa(0.5, 4, { per: "batch" }), seed).teacher).size).toBe(1);
        expect(new Set(draw(uniformKappa(0.5, 4), seed).teacher).size).toBeGreaterThan(1);
      }),
    );
  });

  test("of Table 2 is random for whom the row says", () => {
    const random = Object.entries(table2(0.5, 4)).map(([row, sampler]) => {
      const { teacher, lora } = draw(sampler, 1);
      return [row, new Set(teacher).size > 1, new Set(lora).size > 1];
    });
    expect(random).toEqual([
      ["none", false, false],
      ["teacher", true, false],
      ["lora", false, true],
      ["both", true, true],
      ["mean", false, false],
    ]);
    expect(draw(meanKappa(0.5, 4), 1).teacher[0]).toBe(2.25);
  });

  test("drawn for each sample has 1/B of the variance in the mean of a batch", () => {
    const [batch, steps] = [16, 4000];
    const variance = (per: "batch" | "sample") => {
      const means = Array.from({ length: steps }, (_, i) => {
        const { teacher } = drawKappas(uniformKappa(0.5, 4, { per }), { batch, key: foldIn(keyFromSeed(3), i) });
        return teacher.reduce((sum, k) => sum + k, 0) / batch;
      });
      const middle = means.reduce((sum, m) => sum + m, 0) / steps;
      // The mean of 4000 draws of standard deviation 3.5/√12 is within five of its standard errors, 0.016.
      expect(Math.abs(middle - 2.25)).toBeLessThan(0.08);
      return means.reduce((sum, m) => sum + (m - middle) ** 2, 0) / (steps - 1);
    };
    // A variance estimated from n draws is off by √(2/n) = 2.2 % at most (normal; less for uniform): five standard errors of a ratio.
    expect(Math.abs(variance("sample") / (variance("batch") / batch) - 1)).toBeLessThan(5 * Math.SQRT2 * 0.022);
  });

  test("is refused where it makes no interval", () => {
    expect(() => draw(uniformKappa(4, 0.5), 0)).toThrow("kappa: the teacher's κ goes from 4 to 0.5.");
    expect(() => draw(fixedKappa(Number.NaN), 0)).toThrow("NaN");
  });
});
