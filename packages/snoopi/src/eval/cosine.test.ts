import fc from "fast-check";
import { expect, test } from "vitest";
import { clipScore, cosines, hpsScore } from "./cosine.ts";
import type { Features } from "./features.ts";

const row = fc.array(fc.double({ min: -4, max: 4, noNaN: true }), { minLength: 4, maxLength: 4 }).filter((v) => Math.hypot(...v) > 1e-3);
const pairs = fc.array(fc.tuple(row, row), { minLength: 1, maxLength: 8 });
const matrix = (rows: number[][]): Features => ({ data: Float64Array.from(rows.flat()), shape: [rows.length, rows[0].length] });

test("cosines lie within −1 and 1, and lengths do not matter", () => {
  fc.assert(
    fc.property(pairs, (rows) => {
      const [images, texts] = [matrix(rows.map(([a]) => a)), matrix(rows.map(([, b]) => b))];
      const values = cosines(images, texts);
      const longer = cosines({ ...images, data: images.data.map((v) => 7 * v) }, texts);
      // Three sums of four products and two roots: about ten roundings of 2⁻⁵³ each, before and after.
      for (const [i, value] of values.entries()) {
        expect(Math.abs(value)).toBeLessThanOrEqual(1 + 3e-15);
        expect(Math.abs(longer[i] - value)).toBeLessThan(3e-15);
      }
      expect(hpsScore(images, texts)).toBe(100 * clipScore(images, texts));
    }),
  );
});

test("each image meets the text of its own row", () => {
  const images = matrix([
    [1, 0],
    [0, 2],
    [1, 1],
  ]);
  const texts = matrix([
    [3, 0],
    [1, 0],
    [-1, -1],
  ]);
  // 1/√2 squared twice rounds: √2·√2 is 2 + 4e-16.
  expect([...cosines(images, texts)].map((value) => Math.round(value * 1e12) / 1e12)).toEqual([1, 0, -1]);
  expect(clipScore(images, texts)).toBeCloseTo(0, 15);
});

test("rows without partner, width or direction are refused in one line", () => {
  expect(() =>
    cosines(
      matrix([[1, 0]]),
      matrix([
        [1, 0],
        [0, 1],
      ]),
    ),
  ).toThrow("cosines: 1 images and 2 texts. Pass one text for each image");
  expect(() => cosines(matrix([[1, 0]]), matrix([[1, 0, 0]]))).toThrow("cosines: one side has 2 features a sample, the other 3.");
  expect(() => cosines(matrix([[0, 0]]), matrix([[1, 0]]))).toThrow("cosines: the image of pair 0 is all zeros, which has no direction.");
  const none = { data: new Float32Array(0), shape: [0, 2] } as const;
  expect(() => clipScore(none, none)).toThrow("CLIP score: there are no pairs. Pass at least 1.");
});
