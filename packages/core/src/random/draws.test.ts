import { createHash } from "node:crypto";
import fc from "fast-check";
import { expect, test } from "vitest";
import { counterOf, fillBits, fillNormal, fillUniform, uniformFrom } from "./draws.ts";
import { keyFromSeed } from "./key.ts";
import { normalPair } from "./normal-pair.ts";
import { philox } from "./philox.ts";

const key = keyFromSeed(11);

test("element i of a bulk draw is what i alone gives, wherever the draw starts", () => {
  const starts = fc.oneof(fc.integer({ min: 0, max: 100 }), fc.integer({ min: 2 ** 34 - 50, max: 2 ** 34 + 50 }), fc.constant(2 ** 52));
  fc.assert(
    fc.property(starts, fc.integer({ min: 0, max: 40 }), fc.integer({ min: 0, max: 2 ** 32 - 1 }), (start, length, stream) => {
      const bits = new Uint32Array(length);
      const uniform = new Float32Array(length);
      const normal = new Float32Array(length);
      fillBits(key, stream, bits, { start });
      fillUniform(key, stream, uniform, { start });
      fillNormal(key, stream, normal, { start });
      const pair = new Float32Array(2);
      for (let i = 0; i < length; i++) {
        const words = philox(counterOf(start + i, stream), key);
        const lane = (start + i) % 4;
        const even = lane - (lane % 2);
        normalPair(words[even], words[even + 1], pair);
        expect(bits[i]).toBe(words[lane]);
        expect(uniform[i]).toBe(uniformFrom(words[lane]));
        expect(normal[i]).toBe(pair[lane % 2]);
      }
    }),
  );
});

test("uniforms are multiples of 2⁻²⁴ from 0 to just below 1", () => {
  expect(uniformFrom(0)).toBe(0);
  expect(uniformFrom(255)).toBe(0);
  expect(uniformFrom(256)).toBe(2 ** -24);
  expect(uniformFrom(0xffffffff)).toBe(1 - 2 ** -24);
});

const count = 400_000;
const mean = (values: Float32Array, f: (v: number, i: number) => number) => values.reduce((sum, v, i) => sum + f(v, i), 0) / values.length;

test("uniform draws have uniform moments and cells", () => {
  const draw = new Float32Array(count);
  fillUniform(key, 0, draw);
  // Five standard deviations of each statistic: the seed is fixed, and a wrong generator misses by far more.
  const five = (variance: number) => 5 * Math.sqrt(variance / count);
  expect(Math.abs(mean(draw, (v) => v) - 1 / 2)).toBeLessThan(five(1 / 12));
  expect(Math.abs(mean(draw, (v) => v * v) - 1 / 3)).toBeLessThan(five(4 / 45));
  expect(Math.abs(mean(draw, (v, i) => (v - 0.5) * ((draw[i - 1] ?? 0.5) - 0.5)))).toBeLessThan(five(1 / 144));
  const cells = new Float64Array(64);
  for (const v of draw) cells[Math.floor(v * 64)]++;
  const chiSquare = cells.reduce((sum, n) => sum + (n - count / 64) ** 2 / (count / 64), 0);
  expect(Math.abs(chiSquare - 63)).toBeLessThan(5 * Math.sqrt(2 * 63));
});

test("normal draws have the normal's moments, tails and no correlation between neighbours", () => {
  const draw = new Float32Array(count);
  fillNormal(key, 0, draw);
  const five = (variance: number) => 5 * Math.sqrt(variance / count);
  expect(Math.abs(mean(draw, (v) => v))).toBeLessThan(five(1));
  expect(Math.abs(mean(draw, (v) => v ** 2) - 1)).toBeLessThan(five(2));
  expect(Math.abs(mean(draw, (v) => v ** 3))).toBeLessThan(five(15));
  expect(Math.abs(mean(draw, (v) => v ** 4) - 3)).toBeLessThan(five(96));
  expect(Math.abs(mean(draw, (v, i) => v * (draw[i - 1] ?? 0)))).toBeLessThan(five(1));
  const beyond2 = 0.0455002639;
  expect(Math.abs(mean(draw, (v) => (Math.abs(v) > 2 ? 1 : 0)) - beyond2)).toBeLessThan(five(beyond2));
});

test("streams and keys give different numbers", () => {
  const draws = [0, 1].flatMap((stream) =>
    [0, 1].map((seed) => {
      const bits = new Uint32Array(4);
      fillBits(keyFromSeed(seed), stream, bits);
      return String(bits);
    }),
  );
  expect(new Set(draws).size).toBe(4);
});

test("the normals of a seed never change", () => {
  const draw = new Float32Array(4096);
  fillNormal(keyFromSeed(0), 0, draw);
  expect(createHash("sha256").update(new Uint8Array(draw.buffer)).digest("hex")).toBe(
    "3fbd0f304b36b9076bbd1fed19e9aad780b236ef3ad3795f27639f5ef06b9add",
  );
});

test("a stream or start out of range is refused", () => {
  const out = new Float32Array(1);
  expect(() => fillUniform(key, -1, out)).toThrow("random: stream -1 is not a whole number from 0 to 2^32 - 1. Pass one.");
  expect(() => fillNormal(key, 0, out, { start: 0.5 })).toThrow("random: cannot start at element 0.5. Pass a whole number, 0 or more.");
});
