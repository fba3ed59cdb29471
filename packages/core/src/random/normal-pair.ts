import { mulhi } from "./mulhi.ts";

/**
 * Box–Muller in integers. Shading languages leave the last bits of log, sin and cos (and the fusing of products and sums) to the
 * driver, so floats would give a seed different noise on each device. Integer arithmetic is the same everywhere: `philoxWgsl` in the
 * kernels package is this file line for line. "Q31" says that a word w stands for w·2⁻³¹.
 *
 * Coefficients: near-minimax polynomials fitted for this file, highest power first.
 */

/** −log₂(1 − g/2) / g on [0, 2 − √2], Q31; error 1.3e-10. */
const logTerms = [0x200a12, 0, 0x3f2048, 0x795aae, 0x127526e, 0x2e2bfb6, 0x7b1bfd0, 0x1715477e, 0x5c551d95];
/** sin(πx/2) / x in −x² on [0, 1], Q31; error 2.7e-11. */
const sinTerms = [0x1cca, 0x54050, 0x996897, 0xa335e03, 0x52aef394, 0xc90fdaa2];
/** 1 / (2√m) in −m on [¼, 1), Q29; relative error 2.8e-3, a start for Newton's iteration. */
const rootTerms = [0x374669c4, 0xb13b0eb9, 0xdd81c763, 0x8add45ea, 0x37562a95];

const twoMinusRoot2 = 0x95f61998; // Q32
const root2 = 0xb504f334; // Q31
const rootTwoLn2 = 0x96b55f22; // √(2 ln 2), Q31

/** sin(πx/2), Q31, for x in Q32. */
function quarterSine(x: number): number {
  const square = mulhi(x, x);
  let sum = sinTerms[0];
  for (let i = 1; i < sinTerms.length; i++) sum = sinTerms[i] - mulhi(square, sum);
  return mulhi(x, sum);
}

/** √m, Q32, for m in [¼, 1) in Q32. */
function squareRoot(m: number): number {
  let y = rootTerms[0];
  for (let i = 1; i < rootTerms.length; i++) y = rootTerms[i] - mulhi(m, y);
  y = (y << 2) >>> 0; // 1/(2√m), Q31
  for (let i = 0; i < 2; i++) {
    const rest = 0x30000000 - mulhi(m, mulhi(y, y)); // ¾ − m·y², Q30
    y = (mulhi(y, rest << 2) << 1) >>> 0;
  }
  return (mulhi(m, y) << 2) >>> 0;
}

const leastExponent = -64;
const powers = Float64Array.from({ length: 64 }, (_, i) => 2 ** (i + leastExponent));

/** ±magnitude·2^exponent in f32, the magnitude rounded to the 24 bits that fit, so that the float arithmetic is exact. */
function scaled(magnitude: number, exponent: number, negative: boolean): number {
  const cut = Math.max(0, 8 - Math.clz32(magnitude));
  const value = ((magnitude + ((1 << cut) >> 1)) >>> cut) * powers[cut + exponent - leastExponent];
  return negative ? -value : value;
}

/**
 * Two independent standard normals from two random words: radius √(−2 ln u) with u = (first + ½)·2⁻³², so at most 6.77, and angle
 * 2π·(second + ½)·2⁻³². Within 3e-8 of the exact value before it is rounded to f32, and
 * the same bits on every device.
 *
 * @param out receives radius·cos in `[0]` and radius·sin in `[1]`.
 */
export function normalPair(first: number, second: number, out: Float32Array): void {
  // u = 2^(−k)·(1 − g/2) with g in (0, 1), then brought to at most 2 − √2 by a factor of √½.
  const k = Math.clz32(first);
  let g = -(((first << 1) | 1) << k) >>> 0;
  let halves = 2 * k;
  if (g >= twoMinusRoot2) {
    g = (mulhi(g - twoMinusRoot2, root2) << 1) >>> 0;
    halves += 1;
  }
  // −log₂ u = halves/2 + g·sum = m·2^(−e); close to u = 1 only the product is left, and g is shifted up to keep its bits.
  const up = halves === 0 ? Math.clz32(g) : 0;
  g = (g << up) >>> 0;
  let sum = logTerms[0];
  for (let i = 1; i < logTerms.length; i++) sum = mulhi(g >>> up, sum) + logTerms[i];
  const log = mulhi(g, sum);
  let m = halves === 0 ? log : ((halves << 25) >>> 0) + (log >>> 5);
  let e = halves === 0 ? 31 + up : 26;
  const lift = Math.clz32(m);
  m = (m << lift) >>> 0;
  e += lift;
  if (e % 2 === 1) {
    m >>>= 1;
    e -= 1;
  }
  const radius = mulhi(squareRoot(m), rootTwoLn2); // Q31, times 2^((32 − e)/2)
  const exponent = (32 - e) / 2 - 30;

  const x = (second << 2) >>> 0;
  const quadrant = second >>> 30;
  // Reading x as the middle of its step, ~x is exactly the complement: cos(πx/2) = sin(π(1 − x)/2).
  const flip = (quadrant & 1) === 0 ? 0 : 0xffffffff;
  const sin = quarterSine((x ^ flip) >>> 0);
  const cos = quarterSine((~x ^ flip) >>> 0);
  out[0] = scaled(mulhi(radius, cos), exponent, quadrant === 1 || quadrant === 2);
  out[1] = scaled(mulhi(radius, sin), exponent, quadrant >= 2);
}
