import { abs, cpu, fromData, scope, sum, type Tensor, torchGenerator } from "@snoopi/core";
import fc from "fast-check";
import { expect, test } from "vitest";
import { clampNorm, nagCombine, tokenNorm } from "./combine.ts";

const draws = fc.record({
  shape: fc.tuple(...[2, 3, 5, 4].map((max) => fc.integer({ min: 1, max }))),
  seed: fc.nat(2 ** 31),
  phi: fc.double({ min: 0, max: 8, noNaN: true }),
  tau: fc.double({ min: 0.1, max: 4, noNaN: true }),
  a: fc.double({ min: 0, max: 1, noNaN: true }),
});

/** Two attentions `[B, H, Lq, d]`, the one from which to keep away larger. */
const property = (check: (given: { positive: Tensor; away: Tensor; phi: number; tau: number; a: number }) => Promise<void>) =>
  fc.assert(
    fc.asyncProperty(draws, ({ shape, seed, ...rest }) =>
      scope(() => {
        const generator = torchGenerator(seed);
        const size = shape.reduce((n, d) => n * d, 1);
        const drawn = (by: number) =>
          fromData(
            generator.randn(size).map((v) => by * v),
            { shape, dtype: "f32", device: cpu },
          );
        return check({ positive: drawn(1), away: drawn(3), ...rest });
      }),
    ),
    { numRuns: 60 },
  );

test("nag is Z₊ bit for bit at φ = 0, at a = 0 and for Z₋ = Z₊, at any bound of at least 1", () =>
  property(async ({ positive, away, phi, tau, a }) => {
    const z = await positive.data();
    const bound = 1 + tau;
    expect(await nagCombine(positive, away, { phi: 0, tau: bound, a }).data()).toEqual(z);
    expect(await nagCombine(positive, away, { phi, tau, a: 0 }).data()).toEqual(z);
    expect(await nagCombine(positive, positive, { phi, tau: bound, a }).data()).toEqual(z);
  }));

test("nag is a·min(R, τ)/R·Z̃ + (1 − a)·Z₊ for each token, written out in f64", () =>
  property(async ({ positive, away, phi, tau, a }) => {
    const [b, h, l, d] = positive.shape;
    const [p, n] = [await positive.data(), await away.data()];
    const got = await nagCombine(positive, away, { phi, tau, a }).data();
    for (let token = 0; token < b * l; token++) {
      const [image, at] = [Math.floor(token / l), token % l];
      const places = Array.from({ length: h * d }, (_, i) => ((image * h + Math.floor(i / d)) * l + at) * d + (i % d));
      const norm = (values: readonly number[]) => values.reduce((total, v) => total + Math.abs(v), 0);
      const towards = places.map((i) => p[i]);
      const far = places.map((i) => p[i] + phi * (p[i] - n[i]));
      const ratio = norm(far) / norm(towards);
      for (const [i, place] of places.entries()) {
        const expected = (a * Math.min(ratio, tau) * far[i]) / ratio + (1 - a) * towards[i];
        // Some ten roundings of 2⁻²⁴, and sums of at most 12 terms, of numbers as large as what was added.
        const size = Math.abs(p[place]) + Math.abs(phi * (Math.abs(p[place]) + Math.abs(n[place])));
        expect(Math.abs(got[place] - expected)).toBeLessThanOrEqual(24 * 2 ** -24 * size);
      }
    }
  }));

test("a clamped token is at most τ times as long as the other's, and one that is shorter stays", () =>
  property(async ({ positive, away, tau }) => {
    const clamped = clampNorm(away, positive, tau);
    const [before, bound, after] = await Promise.all([away, positive, clamped].map((z) => tokenNorm(z).data()));
    for (const [i, norm] of after.entries()) {
      // Sums of at most 12 terms and four roundings of 2⁻²⁴.
      expect(Math.abs(norm - Math.min(before[i], tau * bound[i]))).toBeLessThanOrEqual(16 * 2 ** -24 * norm);
    }
  }));

test("a token of zeros stays zero", () =>
  property(async ({ positive, tau }) => {
    const none = positive.mul(0);
    expect(await sum(abs(clampNorm(none, positive, tau))).item()).toBe(0);
    expect(await sum(abs(clampNorm(none, none, tau))).item()).toBe(0);
  }));
