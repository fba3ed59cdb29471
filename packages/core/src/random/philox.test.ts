import fc from "fast-check";
import { expect, test } from "vitest";
import { mulhi } from "./mulhi.ts";
import { type Key, philox, type Words } from "./philox.ts";

test.each<[string, Words, Key, Words]>([
  ["zeros", [0, 0, 0, 0], [0, 0], [0x6627e8d5, 0xe169c58d, 0xbc57ac4c, 0x9b00dbd8]],
  ["ones", [0xffffffff, 0xffffffff, 0xffffffff, 0xffffffff], [0xffffffff, 0xffffffff], [0x408f276d, 0x41c83b0e, 0xa20bc7c6, 0x6d5451fd]],
  [
    "digits of pi",
    [0x243f6a88, 0x85a308d3, 0x13198a2e, 0x03707344],
    [0xa4093822, 0x299f31d0],
    [0xd16cfe09, 0x94fdcceb, 0x5001e420, 0x24126ea1],
  ],
])("philox gives Random123's published answer for %s", (_, counter, key, answer) => {
  expect(philox(counter, key)).toEqual(answer);
});

test("mulhi is the upper word of the 64-bit product", () => {
  const word = fc.oneof(
    fc.integer({ min: 0, max: 0xffffffff }),
    fc.constantFrom(0, 1, 0xffff, 0x10000, 0x7fffffff, 0x80000000, 0xffffffff),
  );
  fc.assert(
    fc.property(word, word, (a, b) => {
      expect(mulhi(a, b)).toBe(Number((BigInt(a) * BigInt(b)) >> 32n));
    }),
  );
});
