import fc from "fast-check";
import { expect, test } from "vitest";
import { normalPair } from "./normal-pair.ts";

/** Box–Muller in f64, careful where u is close to 1. */
function exactPair(first: number, second: number): [number, number] {
  const complement = (2 ** 32 - first - 0.5) * 2 ** -32;
  const log = first > 2 ** 31 ? Math.log1p(-complement) : Math.log((first + 0.5) * 2 ** -32);
  const radius = Math.sqrt(-2 * log);
  const angle = 2 * Math.PI * (second + 0.5) * 2 ** -32;
  return [radius * Math.cos(angle), radius * Math.sin(angle)];
}

test("a normal pair is Box–Muller's to an f32's last bit, at every edge of its integer arithmetic", () => {
  const edges = Array.from({ length: 33 }, (_, k) => [-2, -1, 0, 1, 2].map((d) => 2 ** k + d)).flat();
  // The threshold at which u is multiplied by √2: first = 2^32·√½.
  const near = [...edges, ...edges.map((v) => 2 ** 32 - 1 - v), 3037000499, 3037000500].filter((v) => v >= 0 && v < 2 ** 32);
  const word = fc.oneof(fc.constantFrom(...near), fc.integer({ min: 0, max: 2 ** 32 - 1 }));
  const pair = new Float32Array(2);
  fc.assert(
    fc.property(word, word, (first, second) => {
      normalPair(first, second, pair);
      exactPair(first, second).forEach((exact, i) => {
        // Rounding to f32 moves a value by up to 2⁻²⁴ of it (6e-8); the fixed point adds 3e-8 at most, sampled over 10⁶ pairs.
        expect(Math.abs(pair[i] - exact)).toBeLessThan(9e-8 * Math.max(1, Math.abs(exact)));
      });
    }),
    { numRuns: 20000 },
  );
});

test("the largest normal comes from the smallest word and the smallest radius is positive or zero", () => {
  const pair = new Float32Array(2);
  normalPair(0, 0, pair);
  expect(pair[0]).toBeCloseTo(Math.sqrt(2 * 33 * Math.LN2), 6);
  normalPair(0xffffffff, 0, pair);
  expect(pair[0]).toBeGreaterThanOrEqual(0);
  expect(pair[0]).toBeLessThan(3e-5);
});
