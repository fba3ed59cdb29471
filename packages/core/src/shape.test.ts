import fc from "fast-check";
import { describe, expect, test } from "vitest";
import { broadcast, normalizeAxis, type Shape, sizeOf, stridesOf } from "./shape.ts";

const shapes: fc.Arbitrary<Shape> = fc.array(fc.constantFrom(0, 1, 2, 3), { maxLength: 4 });

describe("shapes", () => {
  test("broadcast together where each pair of axes is equal or has a one, aligned right", () => {
    fc.assert(
      fc.property(shapes, shapes, (a, b) => {
        const rank = Math.max(a.length, b.length);
        const padded = [a, b].map((s) => [...new Array<number>(rank - s.length).fill(1), ...s]);
        const fits = padded[0].every((p, i) => p === padded[1][i] || p === 1 || padded[1][i] === 1);
        if (!fits) {
          expect(() => broadcast("add", a, b)).toThrow("add: cannot broadcast");
          return;
        }
        expect(broadcast("add", a, b)).toEqual(padded[0].map((p, i) => (p === 1 ? padded[1][i] : p)));
        expect(broadcast("add", b, a)).toEqual(broadcast("add", a, b));
      }),
      { seed: 1, numRuns: 1000 },
    );
  });

  test("row-major strides are the sizes of what lies inside", () => {
    expect(stridesOf([2, 3, 4])).toEqual([12, 4, 1]);
    expect(stridesOf([])).toEqual([]);
    expect(sizeOf([])).toBe(1);
    expect(sizeOf([3, 0])).toBe(0);
  });

  test("axes count from either end", () => {
    expect([0, 2, -1, -3].map((axis) => normalizeAxis("sum", axis, 3))).toEqual([0, 2, 2, 0]);
    for (const axis of [3, -4, 0.5, Number.NaN])
      expect(() => normalizeAxis("sum", axis, 3)).toThrow(`sum: axis ${axis} is out of range for rank 3.`);
  });
});
