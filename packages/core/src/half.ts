/** IEEE half precision as bits: exact widening, and rounding to nearest even. */

const word = new Uint32Array(1);
const real = new Float32Array(word.buffer);

/** The f16 bits nearest to `value`; overflow becomes infinity, as in PyTorch. */
export function toHalf(value: number): number {
  real[0] = value;
  const bits = word[0];
  const sign = (bits >>> 16) & 0x8000;
  const magnitude = bits & 0x7fffffff;
  if (magnitude > 0x7f800000) return sign | 0x7e00; // NaN
  if (magnitude >= 0x47800000) return sign | 0x7c00; // beyond the largest exponent, or infinity
  if (magnitude < 0x38800000) {
    // Subnormal half: shift the significand, with its hidden one, into place and round.
    if (magnitude < 0x33000000) return sign;
    const shift = 126 - (magnitude >>> 23);
    return sign | roundShift((magnitude & 0x7fffff) | 0x800000, shift);
  }
  return sign + roundShift(magnitude - 0x38000000, 13);
}

/** `bits >> by`, ties to even. A carry out of the significand is the next exponent, which is right. */
function roundShift(bits: number, by: number): number {
  const half = 2 ** (by - 1);
  const kept = Math.floor(bits / 2 ** by);
  const rest = bits - kept * 2 ** by;
  return kept + (rest > half || (rest === half && kept & 1) ? 1 : 0);
}

const widened = /* @__PURE__ */ (() => {
  let table: Float32Array | undefined;
  return () => {
    table ??= Float32Array.from({ length: 65536 }, (_, h) => {
      const sign = h & 0x8000 ? -1 : 1;
      const exponent = (h >> 10) & 31;
      const fraction = h & 1023;
      if (exponent === 0) return sign * fraction * 2 ** -24;
      if (exponent === 31) return fraction ? Number.NaN : sign * Number.POSITIVE_INFINITY;
      return sign * (1 + fraction / 1024) * 2 ** (exponent - 15);
    });
    return table;
  };
})();

/** The value of f16 bits. */
export const fromHalf = (bits: number): number => widened()[bits];

/** f16 bits to f32, exactly. */
export function f16ToF32(bits: Uint16Array): Float32Array {
  const table = widened();
  const out = new Float32Array(bits.length);
  for (let i = 0; i < bits.length; i++) out[i] = table[bits[i]];
  return out;
}

/** Numbers to f16 bits, each rounded to nearest even through f32. */
export function f32ToF16(values: ArrayLike<number>): Uint16Array {
  const out = new Uint16Array(values.length);
  for (let i = 0; i < out.length; i++) out[i] = toHalf(values[i]);
  return out;
}

/** bf16 bits to f32, exactly: the upper half of the word. */
export function bf16ToF32(bits: Uint16Array): Float32Array {
  const out = new Uint32Array(bits.length);
  for (let i = 0; i < bits.length; i++) out[i] = bits[i] << 16;
  return new Float32Array(out.buffer);
}
