/**
 * The arithmetic an elementwise op may use, over any carrier `T`.
 *
 * An op's formula is written once against this interface and then read three ways: with numbers it is the CPU reference, with strings it is
 * WGSL, and with dual numbers it is an exact derivative that the tests compare against the op's own `vjp`.
 */
export interface Scalar<T> {
  num(value: number): T;
  neg(a: T): T;
  add(a: T, b: T): T;
  sub(a: T, b: T): T;
  mul(a: T, b: T): T;
  div(a: T, b: T): T;
  pow(a: T, b: T): T;
  exp(a: T): T;
  log(a: T): T;
  sqrt(a: T): T;
  sin(a: T): T;
  cos(a: T): T;
  tanh(a: T): T;
  erf(a: T): T;
  abs(a: T): T;
  floor(a: T): T;
  /** `a < b ? yes : no` */
  less(a: T, b: T, yes: T, no: T): T;
  /** `a == b ? yes : no` */
  equal(a: T, b: T, yes: T, no: T): T;
}

export const numbers: Scalar<number> = {
  num: (v) => v,
  neg: (a) => -a,
  add: (a, b) => a + b,
  sub: (a, b) => a - b,
  mul: (a, b) => a * b,
  div: (a, b) => a / b,
  // As in C, Python and PyTorch: 1 to any power, and −1 to an infinite one, is 1, where JavaScript has NaN.
  pow: (a, b) => (a === 1 || (a === -1 && Math.abs(b) === Number.POSITIVE_INFINITY) ? 1 : a ** b),
  exp: Math.exp,
  log: Math.log,
  sqrt: Math.sqrt,
  sin: Math.sin,
  cos: Math.cos,
  tanh: Math.tanh,
  erf,
  abs: Math.abs,
  floor: Math.floor,
  less: (a, b, yes, no) => (a < b ? yes : no),
  equal: (a, b, yes, no) => (a === b ? yes : no),
};

/** As {@link numbers}, for 32-bit integers that wrap: a float product beyond 2⁵³ would lose the low bits that wrapping keeps. */
export const integers: Scalar<number> = { ...numbers, mul: Math.imul };

/**
 * The error function in double precision (absolute error below 1e-15): a series of positive terms near zero, which cannot cancel, and the
 * continued fraction of erfc beyond (Abramowitz & Stegun 7.1.6 and 7.1.14).
 */
export function erf(x: number): number {
  const a = Math.abs(x);
  if (Number.isNaN(x)) return x;
  if (a > 6) return Math.sign(x);
  if (a < 2.5) {
    // erf x = 2/√π · e^(−x²) · Σ 2ⁿ x^(2n+1) / (2n+1)!!
    let term = a;
    let sum = a;
    for (let n = 1; term > 1e-17 * sum; n++) {
      term *= (2 * a * a) / (2 * n + 1);
      sum += term;
    }
    return Math.sign(x) * (2 / Math.sqrt(Math.PI)) * Math.exp(-a * a) * sum;
  }
  let fraction = a;
  for (let n = 60; n > 0; n--) fraction = a + n / 2 / fraction;
  return Math.sign(x) * (1 - Math.exp(-a * a) / (Math.sqrt(Math.PI) * fraction));
}
