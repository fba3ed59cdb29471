import { expect, test } from "vitest";
import { SnoopiError } from "../error.ts";
import { foldIn, keyFromSeed, split } from "./key.ts";

test("a seed's key is its low and high word, negative seeds in two's complement", () => {
  expect(keyFromSeed(0)).toEqual([0, 0]);
  expect(keyFromSeed(2 ** 32 + 5)).toEqual([5, 1]);
  expect(keyFromSeed(-1)).toEqual([0xffffffff, 0xffffffff]);
  expect(keyFromSeed(2n ** 64n - 1n)).toEqual(keyFromSeed(-1));
});

test("derived keys all differ, from one another and from their parent", () => {
  const key = keyFromSeed(3);
  const derived = [
    key,
    ...split(key, 500),
    ...Array.from({ length: 500 }, (_, n) => foldIn(key, n)),
    foldIn(key, 2 ** 32),
    foldIn(key, 2 ** 53 - 1),
  ];
  expect(new Set(derived.map(String)).size).toBe(derived.length);
});

test("the first keys of a longer split are those of a shorter one", () => {
  expect(split(keyFromSeed(9), 5).slice(0, 2)).toEqual(split(keyFromSeed(9), 2));
});

test("seeds and numbers that cannot be used are refused in one line", () => {
  expect(() => keyFromSeed(0.5)).toThrow(new SnoopiError("seed: 0.5 is not an integer JavaScript holds exactly. Pass an integer."));
  expect(() => keyFromSeed(2 ** 53)).toThrow("Pass it as a bigint: a number this large is not exact.");
  expect(() => keyFromSeed(Number.NaN)).toThrow("seed: NaN is not an integer");
  expect(() => keyFromSeed(2n ** 64n)).toThrow("seed: 18446744073709551616 does not fit 64 bits. Pass one from -2^63 to 2^64 - 1.");
  expect(() => foldIn([0, 0], -1)).toThrow("foldIn: -1 is not a whole number from 0 to 2^53 - 1. Pass one.");
  expect(() => split([0, 0], 1.5)).toThrow("split: cannot make 1.5 keys. Pass a whole number, 0 or more.");
});
