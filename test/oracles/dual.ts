import { numbers, type Scalar } from "@snoopi/core";

/** A value and its derivative. */
export interface Dual {
  readonly v: number;
  readonly d: number;
}

const dual = (v: number, d: number): Dual => ({ v, d });

/** Arithmetic that differentiates as it goes: the exact derivative of a formula, from the formula itself. */
export const duals: Scalar<Dual> = {
  num: (v) => dual(v, 0),
  neg: (a) => dual(-a.v, -a.d),
  add: (a, b) => dual(a.v + b.v, a.d + b.d),
  sub: (a, b) => dual(a.v - b.v, a.d - b.d),
  mul: (a, b) => dual(a.v * b.v, a.d * b.v + a.v * b.d),
  div: (a, b) => dual(a.v / b.v, (a.d - (a.v / b.v) * b.d) / b.v),
  pow: (a, b) => dual(a.v ** b.v, b.v * a.v ** (b.v - 1) * a.d + (b.d === 0 ? 0 : a.v ** b.v * Math.log(a.v) * b.d)),
  exp: (a) => dual(Math.exp(a.v), Math.exp(a.v) * a.d),
  log: (a) => dual(Math.log(a.v), a.d / a.v),
  sqrt: (a) => dual(Math.sqrt(a.v), a.d / (2 * Math.sqrt(a.v))),
  sin: (a) => dual(Math.sin(a.v), Math.cos(a.v) * a.d),
  cos: (a) => dual(Math.cos(a.v), -Math.sin(a.v) * a.d),
  tanh: (a) => dual(Math.tanh(a.v), (1 - Math.tanh(a.v) ** 2) * a.d),
  erf: (a) => dual(numbers.erf(a.v), (2 / Math.sqrt(Math.PI)) * Math.exp(-a.v * a.v) * a.d),
  abs: (a) => dual(Math.abs(a.v), Math.sign(a.v) * a.d),
  floor: (a) => dual(Math.floor(a.v), 0),
  less: (a, b, yes, no) => (a.v < b.v ? yes : no),
  equal: (a, b, yes, no) => (a.v === b.v ? yes : no),
};
