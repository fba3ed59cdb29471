import { createHash } from "node:crypto";
import { expect, test } from "vitest";
import { torchGenerator } from "./torch-generator.ts";

const sha256 = (...arrays: Float32Array[]) => {
  const hash = createHash("sha256");
  for (const array of arrays) hash.update(new Uint8Array(array.buffer));
  return hash.digest("hex");
};

test("randn gives PyTorch's values, below and above the size at which PyTorch changes its method", () => {
  expect([...torchGenerator(0).randn(3)]).toEqual([1.5409960746765137, -0.293428897857666, -2.1787893772125244]);
  const draw = torchGenerator(7).randn(17);
  expect([draw[0], draw[1], draw[16]]).toEqual([-0.8201345205307007, -0.32456663250923157, -0.866701602935791]);
});

test("rand gives PyTorch's values", () => {
  expect([...torchGenerator(7).rand(2)]).toEqual([0.5349225401878357, 0.19880318641662598]);
});

test("the starting noise of a 512-pixel picture with seed 0 is diffusers', byte for byte", () => {
  const latents = torchGenerator(0).randn(4 * 64 * 64);
  expect([...latents.subarray(0, 4)]).toEqual([-1.1258398294448853, -1.152360200881958, -0.2505785822868347, -0.4338788092136383]);
  expect(sha256(latents)).toBe("24efac55b39e95b2d74d8fb5b3a8e8a8e808bd04129f260c4cdbb225bb952a4d");
});

/** Hashes of what torch 2.15.0 draws on a machine with AVX-512: for each size, randn of it and then rand(7), from one generator. */
const sizes = [1, 5, 16, 3, 17, 100, 2, 0, 1000, 15, 31];
const sequences: [number | bigint, string][] = [
  [0, "f8613ffe8e42c2a395ac506da56125f7d4e97c558788182f0d41c645d0e70545"],
  [1, "dc422eeea6488903aa5ac2d8ba04bf91c4bc0d95cd132ba7ab2cff90dbce3eff"],
  [2 ** 32 + 5, "bd16dcf5614c5649a152edf905e9283cc695af5b32db45d7cc1360cc5abfcc68"],
  [-1, "554763045084c4552d9c875db135bba7829b00f92dd3c31ba976d44655017691"],
  [-12345, "7f84afd0cfe732a0255435b37193309203b3d641eb5d2b6dc25fbe0d7f2764d2"],
  [2n ** 53n, "f8613ffe8e42c2a395ac506da56125f7d4e97c558788182f0d41c645d0e70545"],
  [2n ** 64n - 1n, "554763045084c4552d9c875db135bba7829b00f92dd3c31ba976d44655017691"],
  [-(2n ** 63n), "f8613ffe8e42c2a395ac506da56125f7d4e97c558788182f0d41c645d0e70545"],
];

test.each(sequences)("a sequence of draws of mixed sizes with seed %s is PyTorch's, byte for byte", (seed, hash) => {
  const generator = torchGenerator(seed);
  expect(sha256(...sizes.flatMap((size) => [generator.randn(size), generator.rand(7)]))).toBe(hash);
});

test("the words are MT19937's", () => {
  expect(torchGenerator(5489).uint32()).toBe(3499211612);
});

test("lengths and seeds that cannot be used are refused in one line", () => {
  expect(() => torchGenerator(0).randn(-1)).toThrow("torchGenerator: cannot draw -1 numbers. Pass a whole number, 0 or more.");
  expect(() => torchGenerator(0).rand(2.5)).toThrow("torchGenerator: cannot draw 2.5 numbers. Pass a whole number, 0 or more.");
  expect(() => torchGenerator(Number.POSITIVE_INFINITY)).toThrow("seed: Infinity is not an integer");
});
