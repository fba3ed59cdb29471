import { foldIn, keyFromSeed, normal } from "@snoopi/core";
import fc from "fast-check";
import { expect, test } from "vitest";
import { drawNegatives, pickNegatives } from "./negatives.ts";

test("negatives are drawn from the whole pool, evenly, each sample for itself or one for the batch", () => {
  const drawn = drawNegatives(5, { batch: 5000, key: keyFromSeed(1) });
  const counts = [0, 1, 2, 3, 4].map((i) => drawn.filter((d) => d === i).length);
  expect(counts.reduce((a, b) => a + b)).toBe(5000);
  // Five standard deviations of 5000 draws with probability 1/5: 5·√(5000·0.16) = 141.
  for (const count of counts) expect(Math.abs(count - 1000)).toBeLessThan(141);
  const shared = Array.from({ length: 200 }, (_, i) => drawNegatives(5, { batch: 3, key: foldIn(keyFromSeed(2), i), per: "batch" }));
  expect(shared.every(([a, b, c]) => a === b && b === c)).toBe(true);
  expect(new Set(shared.map(([a]) => a)).size).toBe(5);
});

test("a batch has the negatives that its indices name", async () => {
  const pool = normal([4, 3, 2], { key: 1 });
  const all = [...(await pool.data())];
  await fc.assert(
    fc.asyncProperty(fc.array(fc.integer({ min: 0, max: 3 }), { minLength: 1, maxLength: 6 }), async (indices) => {
      const { tokens } = pickNegatives(pool, indices);
      expect(tokens.shape).toEqual([indices.length, 3, 2]);
      expect([...(await tokens.data())]).toEqual(indices.flatMap((i) => all.slice(6 * i, 6 * i + 6)));
    }),
    { numRuns: 30 },
  );
});

test("an empty pool, another form and strange indices are refused", () => {
  for (const size of [0, 1.5])
    expect(() => drawNegatives(size, { batch: 1, key: keyFromSeed(1) })).toThrow(`negatives: a pool of ${size}.`);
  expect(() => pickNegatives(normal([4, 3], { key: 1 }), [0])).toThrow("the pool is [4, 3], expected [N, L, D]");
  expect(() => pickNegatives(normal([4, 3, 2], { key: 1 }), [0, 4])).toThrow("there is no negative 4 among 4");
});
