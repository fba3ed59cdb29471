import fc from "fast-check";
import { expect, test } from "vitest";
import { picturesOf } from "./pictures.ts";

test("one picture goes to the file that was named, several tell their seeds", () => {
  expect(picturesOf("a.b/cat.PNG", { seed: 7, count: 1 })).toEqual([{ seed: 7, path: "a.b/cat.PNG" }]);
  expect(picturesOf("cat.png", { seed: -1, count: 3 })).toEqual([
    { seed: -1, path: "cat--1.png" },
    { seed: 0, path: "cat-0.png" },
    { seed: 1, path: "cat-1.png" },
  ]);
});

test("seeds follow each other exactly, beyond what a number holds as well", () => {
  fc.assert(
    fc.property(fc.bigInt({ min: -(2n ** 63n), max: 2n ** 64n - 10n }), fc.integer({ min: 2, max: 10 }), (first, count) => {
      const seeds = picturesOf("x.png", { seed: first, count }).map(({ seed }) => seed);
      expect(seeds.map(BigInt)).toEqual(seeds.map((_, i) => first + BigInt(i)));
      for (const seed of seeds) expect(typeof seed === "bigint" || Number.isSafeInteger(seed)).toBe(true);
    }),
  );
  expect(() => picturesOf("x.png", { seed: 2n ** 64n - 2n, count: 3 })).toThrow(
    "generate: --count is 3 from --seed 18446744073709551614 on, and the last seed is 18446744073709551615.",
  );
});
