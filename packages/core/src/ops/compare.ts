import { promote } from "../dtype.ts";
import { OpError } from "../error.ts";
import type { Elementwise } from "../op.ts";
import { apply, isTensor, type Tensor } from "../tensor.ts";
import { binary, elementwise, type Like, lift, truth, unary, unbroadcast } from "./elementwise.ts";
import { full } from "./full.ts";

/** `a < b`. Comparisons give booleans, and have no gradient. */
export const less = binary({ name: "less", dtype: truth }, (s, a, b) => s.less(a, b, s.num(1), s.num(0)));
/** `a ≤ b` */
export const lessEqual = binary({ name: "lessEqual", dtype: truth }, (s, a, b) =>
  s.less(a, b, s.num(1), s.equal(a, b, s.num(1), s.num(0))),
);
/** `a > b` */
export const greater = binary({ name: "greater", dtype: truth }, (s, a, b) => s.less(b, a, s.num(1), s.num(0)));
/** `a ≥ b` */
export const greaterEqual = binary({ name: "greaterEqual", dtype: truth }, (s, a, b) =>
  s.less(b, a, s.num(1), s.equal(a, b, s.num(1), s.num(0))),
);
/** `a = b` */
export const equal = binary({ name: "equal", dtype: truth }, (s, a, b) => s.equal(a, b, s.num(1), s.num(0)));
/** `a ≠ b`; true of NaN and itself */
export const notEqual = binary({ name: "notEqual", dtype: truth }, (s, a, b) => s.equal(a, b, s.num(0), s.num(1)));
/** Whether x is zero or false */
export const logicalNot = unary({ name: "logicalNot", dtype: truth }, (s, x) => s.equal(x, s.num(0), s.num(1), s.num(0)));

const chosen = elementwise({ name: "where", dtype: ([, a, b]) => promote(a, b) }, 3, (s, [c, a, b]) => s.equal(c, s.num(0), b, a));

export const whereOp: Elementwise = {
  ...chosen,
  infer(inputs, attrs) {
    if (inputs[0].dtype !== "bool")
      throw new OpError("where", `the condition is ${inputs[0].dtype}, not bool`, "Compare it with something first.");
    return chosen.infer(inputs, attrs);
  },
  vjp: (g, { inputs: [c, a, b] }) => [null, unbroadcast(where(c, g, 0), a.shape), unbroadcast(where(c, 0, g), b.shape)],
};

/** `condition ? a : b` at every element, the three broadcast together. */
export function where(condition: Tensor, a: Like, b: Like): Tensor {
  const on = (v: Like): Like => (isTensor(v) ? v : full([], v, { device: condition.device }));
  const bare = !isTensor(a) && !isTensor(b);
  return apply(whereOp, [condition, ...lift({ name: "where" }, bare ? [on(a), on(b)] : [a, b])], undefined);
}
