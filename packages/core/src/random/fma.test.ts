import fc from "fast-check";
import { expect, test } from "vitest";
import { fma } from "./fma.ts";

test("fma rounds once where a double's sum would round to a tie first", () => {
  const a = 1 + 2 ** -12; // a² = 1 + 2⁻¹¹ + 2⁻²⁴, half way between two f32
  expect(fma(a, a, 0)).toBe(1 + 2 ** -11);
  expect(fma(a, a, 2 ** -60)).toBe(1 + 2 ** -11 + 2 ** -23);
  expect(fma(a, a, -(2 ** -60))).toBe(1 + 2 ** -11);
  expect(fma(-a, a, -(2 ** -60))).toBe(-(1 + 2 ** -11 + 2 ** -23));
});

test("fma is the f32 nearest to the exact value", () => {
  const f32 = fc.float({ noNaN: true, noDefaultInfinity: true, min: -1024, max: 1024 });
  const scale = 2n ** 300n;
  const exact = (value: number) => BigInt(value * 2 ** 150) * 2n ** 150n; // f32 are multiples of 2⁻¹⁴⁹
  const bits = new Uint32Array(1);
  const real = new Float32Array(bits.buffer);
  fc.assert(
    fc.property(f32, f32, f32, (a, b, c) => {
      const rounded = fma(a, b, c);
      fc.pre(Math.abs(rounded) > 2 ** -120);
      const target = (exact(a) * exact(b)) / scale + exact(c);
      const distance = (value: number) => {
        const d = exact(value) - target;
        return d < 0n ? -d : d;
      };
      expect(Math.fround(rounded)).toBe(rounded);
      for (const neighbour of [-1, 1]) {
        real[0] = rounded;
        bits[0] += neighbour;
        expect(distance(rounded) <= distance(real[0])).toBe(true);
      }
    }),
    { numRuns: 1000 },
  );
});
