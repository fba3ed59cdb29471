import { describe, expect, test } from "vitest";
import { bf16ToF32, f16ToF32, f32ToF16, fromHalf, toHalf } from "./half.ts";

const all = Array.from({ length: 65536 }, (_, bits) => bits);
const isNaNBits = (bits: number) => (bits & 0x7c00) === 0x7c00 && (bits & 0x3ff) !== 0;

/** The definition in IEEE 754, §3.4. */
function meaning(bits: number): number {
  const [sign, exponent, fraction] = [bits >> 15 ? -1 : 1, (bits >> 10) & 31, bits & 1023];
  if (exponent === 31) return fraction ? Number.NaN : sign * Number.POSITIVE_INFINITY;
  return exponent === 0 ? sign * fraction * 2 ** -24 : sign * (1024 + fraction) * 2 ** (exponent - 25);
}

describe("half precision", () => {
  test("all 65536 patterns have their IEEE value", () => {
    expect(all.every((bits) => Object.is(fromHalf(bits), meaning(bits)))).toBe(true);
    expect(f16ToF32(Uint16Array.from(all))).toEqual(Float32Array.from(all, meaning));
  });

  test("every pattern that is a number survives the way to f32 and back", () => {
    expect(all.filter((bits) => !isNaNBits(bits) && toHalf(fromHalf(bits)) !== bits)).toEqual([]);
  });

  test("NaN stays NaN", () => {
    expect(all.filter((bits) => isNaNBits(bits) && !isNaNBits(toHalf(fromHalf(bits))))).toEqual([]);
  });

  test("between two neighbours the nearer is taken, and the even one in the middle", () => {
    const wrong: number[] = [];
    for (let low = 0; low < 0x7c00; low++) {
      // The neighbour above the largest number is 2¹⁶, which is written as infinity.
      const [a, b] = [meaning(low), low === 0x7bff ? 65536 : meaning(low + 1)];
      const middle = (a + b) / 2;
      const step = (b - a) / 8;
      const even = low & 1 ? low + 1 : low;
      const holds = toHalf(middle) === even && toHalf(middle - step) === low && toHalf(middle + step) === low + 1;
      const mirrored =
        toHalf(-middle) === (even | 0x8000) && toHalf(-middle + step) === (low | 0x8000) && toHalf(-middle - step) === ((low + 1) | 0x8000);
      // The closest f32 on either side of the middle.
      const ulp = 2 ** (Math.floor(Math.log2(middle)) - 23);
      const close = toHalf(middle - ulp) === low && toHalf(middle + ulp) === low + 1;
      if (!(holds && mirrored && close)) wrong.push(low);
    }
    expect(wrong).toEqual([]);
  });

  test("what is too large becomes infinity and what is too small a zero of its sign", () => {
    expect([65520, 1e30, Number.POSITIVE_INFINITY].map(toHalf)).toEqual([0x7c00, 0x7c00, 0x7c00]);
    expect(toHalf(65519.996)).toBe(0x7bff);
    expect([2 ** -26, -(2 ** -26), 0, -0, 1e-45].map(toHalf)).toEqual([0, 0x8000, 0, 0x8000, 0]);
    expect(f32ToF16([1, -2, 0.1])).toEqual(Uint16Array.of(0x3c00, 0xc000, 0x2e66));
  });

  test("bfloat16 is the upper half of the f32", () => {
    expect(bf16ToF32(Uint16Array.of(0x3f80, 0xc000, 0x7f80, 0x0001, 0x8000))).toEqual(
      Float32Array.of(1, -2, Number.POSITIVE_INFINITY, 2 ** -133, -0),
    );
    expect(bf16ToF32(Uint16Array.of(0x7fc0))[0]).toBeNaN();
  });
});
