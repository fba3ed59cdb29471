import { numbers, type Scalar } from "../scalar.ts";

/** A value, and how far a shader's result may lie from it. */
export interface Approximate {
  readonly v: number;
  readonly e: number;
}

const u = 2 ** -24;
const ulp = 2 * u;
const about = (v: number, e: number): Approximate => ({ v, e: Number.isFinite(e) ? e : Number.POSITIVE_INFINITY });

/** The result of a condition: where the operands' errors leave it open, it may be either branch. */
function choose(certain: boolean, holds: boolean, yes: Approximate, no: Approximate): Approximate {
  const chosen = holds ? yes : no;
  return certain ? chosen : about(chosen.v, Math.abs(yes.v - no.v) + yes.e + no.e);
}

/**
 * A formula's running error in WGSL: each step passes on its operands' errors by its derivative and adds its own, from the table
 * "Accuracy of Concrete Floating Point Expressions" of the specification (§15.7.4). A multiplication and an addition may be fused,
 * which only removes an error.
 */
export const wgsl: Scalar<Approximate> = {
  num: (v) => about(v, Math.abs(v - Math.fround(v))),
  neg: (a) => about(-a.v, a.e),
  add: (a, b) => about(a.v + b.v, a.e + b.e + u * Math.abs(a.v + b.v)),
  sub: (a, b) => about(a.v - b.v, a.e + b.e + u * Math.abs(a.v - b.v)),
  mul: (a, b) => about(a.v * b.v, Math.abs(a.v) * b.e + Math.abs(b.v) * a.e + a.e * b.e + u * Math.abs(a.v * b.v)),
  div: (a, b) => quotient(a, b),
  pow: (a, b) => {
    // Inherited from exp2(b · log2 a).
    const v = a.v ** b.v;
    const power = b.v * Math.log2(Math.abs(a.v));
    const logarithm = logError(Math.abs(a.v)) / Math.LN2 + a.e / Math.abs(a.v) / Math.LN2;
    const e = Math.abs(b.v) * logarithm + Math.abs(Math.log2(Math.abs(a.v))) * b.e + u * Math.abs(power);
    return about(v, Math.abs(v) * (Math.expm1(Math.LN2 * e) + (3 + 2 * Math.abs(power)) * ulp));
  },
  exp: (a) => about(Math.exp(a.v), Math.exp(a.v) * (Math.expm1(a.e) + (3 + 2 * Math.abs(a.v)) * ulp)),
  log: (a) => about(Math.log(a.v), (a.e === 0 ? 0 : a.e / Math.max(a.v - a.e, 0)) + logError(a.v)),
  // Inherited from 1 / inverseSqrt(x): 2 and 2.5 ulp.
  sqrt: (a) => {
    const v = Math.sqrt(a.v);
    const passed = a.e === 0 ? 0 : a.e / (2 * Math.sqrt(Math.max(a.v - a.e, 0)));
    return about(v, passed + 5 * ulp * v);
  },
  sin: (a) => about(Math.sin(a.v), a.e + 2 ** -11),
  cos: (a) => about(Math.cos(a.v), a.e + 2 ** -11),
  tanh: (a) => about(Math.tanh(a.v), a.e + 1e-5),
  // Not in WGSL: a kernel brings its own approximation, good to 1e-6.
  erf: (a) => about(numbers.erf(a.v), (2 / Math.sqrt(Math.PI)) * a.e + 1e-6),
  abs: (a) => about(Math.abs(a.v), a.e),
  floor: (a) => about(Math.floor(a.v), Math.abs(a.v - Math.round(a.v)) < a.e ? 1 : 0),
  less: (a, b, yes, no) => choose(Math.abs(a.v - b.v) >= a.e + b.e || a.e + b.e === 0, a.v < b.v, yes, no),
  equal: (a, b, yes, no) => choose(Math.abs(a.v - b.v) > a.e + b.e || a.e + b.e === 0, a.v === b.v, yes, no),
};

function quotient(a: Approximate, b: Approximate): Approximate {
  const v = a.v / b.v;
  return about(v, (a.e + Math.abs(v) * b.e) / Math.max(Math.abs(b.v) - b.e, 0) + 2.5 * ulp * Math.abs(v));
}

/** 3 ulp, but 2⁻²¹ absolute between 0.5 and 2, where the logarithm crosses zero. */
const logError = (x: number): number => (x >= 0.5 && x <= 2 ? 2 ** -21 : 3 * ulp * Math.abs(Math.log(x)));
