import { fma } from "./fma.ts";

/**
 * The f32 logarithm, sine and cosine of PyTorch's vectorised normal distribution, reproduced operation by operation: the Cephes
 * polynomials (Moshier) with fused multiply-adds, as every x86 machine with AVX2 evaluates them. A correctly rounded function would
 * differ in the last bit now and then, and a seed would no longer give the same bytes.
 */

const fr = Math.fround;
const real = new Float32Array(1);
const word = new Uint32Array(real.buffer);

const logTerms = [
  -1.151461031e-1, 1.167699874e-1, -1.2420140846e-1, 1.4249322787e-1, -1.6668057665e-1, 2.0000714765e-1, -2.4999993993e-1, 3.3333331174e-1,
].map(fr);
const logFirst = fr(7.0376836292e-2);
const ln2Low = fr(-2.1219444e-4);

/** ln of a normal f32 in (0, 1]. */
function logF32(value: number): number {
  real[0] = value;
  let e = (word[0] >>> 23) - 126;
  word[0] = (word[0] & 0x7fffff) | 0x3f000000;
  const m = real[0];
  let x = fr(m - 1);
  if (m < Math.SQRT1_2) {
    e -= 1;
    x = fr(x + m);
  }
  const z = fr(x * x);
  let y = logFirst;
  for (const term of logTerms) y = fma(y, x, term);
  y = fr(y * x);
  y = fma(y, z, fr(e * ln2Low));
  y = fma(-z, 0.5, y);
  return fma(e, 0.693359375, fr(x + y));
}

const quarterTurns = fr(1.27323954473516);
const cosTerms = [2.443315711809948e-5, -1.388731625493765e-3, 4.166664568298827e-2].map(fr);
const sinTerms = [-1.9515295891e-4, 8.3321608736e-3, -1.6666654611e-1].map(fr);
const quarterPi = [-0.78515625, -2.4187564849853516e-4, -3.774894977445941e-8].map(fr);

/** Writes sin θ to `out[0]` and cos θ to `out[1]`, for θ in [0, 2π]. */
function sincosF32(theta: number, out: Float32Array): void {
  const octant = (Math.trunc(fr(theta * quarterTurns)) + 1) & ~1;
  // π/4 in three parts, so that the reduction loses nothing.
  let x = fma(octant, quarterPi[0], theta);
  x = fma(octant, quarterPi[1], x);
  x = fma(octant, quarterPi[2], x);
  const z = fr(x * x);
  let c = fma(cosTerms[0], z, cosTerms[1]);
  c = fma(c, z, cosTerms[2]);
  c = fr(fma(fr(c * z), z, -fr(z * 0.5)) + 1);
  let s = fma(sinTerms[0], z, sinTerms[1]);
  s = fma(s, z, sinTerms[2]);
  s = fma(fr(s * z), x, x);
  const swapped = (octant & 2) !== 0;
  const sin = swapped ? c : s;
  const cos = swapped ? s : c;
  out[0] = octant & 4 ? -sin : sin;
  out[1] = (octant - 2) & 4 ? cos : -cos;
}

const twoPi = fr(2 * Math.PI);
const pair = new Float32Array(2);

/**
 * Turns 16 uniforms at `data[start…]` into 16 normals in place: element j and j + 8 are one Box–Muller pair, of radius from
 * 1 − data[j] (never 0) and angle 2π·data[j + 8].
 */
export function normalBlock(data: Float32Array, start: number): void {
  for (let j = start; j < start + 8; j++) {
    const radius = fr(Math.sqrt(fr(-2 * logF32(fr(1 - data[j])))));
    sincosF32(fr(twoPi * data[j + 8]), pair);
    // Adding the distribution's mean, 0, turns −0 into 0.
    data[j] = fr(radius * pair[1]) + 0;
    data[j + 8] = fr(radius * pair[0]) + 0;
  }
}
