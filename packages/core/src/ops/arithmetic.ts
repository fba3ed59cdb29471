import type { Tensor } from "../tensor.ts";
import { equal, greater, greaterEqual, less, logicalNot, where } from "./compare.ts";
import { binary, type Like, real, unary } from "./elementwise.ts";

/** `a + b` */
export const add = binary(
  { name: "add" },
  (s, a, b) => s.add(a, b),
  (g) => [g, g],
);

/** `a − b` */
export const sub = binary(
  { name: "sub" },
  (s, a, b) => s.sub(a, b),
  (g) => [g, neg(g)],
);

/** `a · b` */
export const mul = binary(
  { name: "mul", wideNumbers: true },
  (s, a, b) => s.mul(a, b),
  (g, a, b) => [mul(g, b), mul(g, a)],
);

/** `a / b`, always a float */
export const div = binary(
  { name: "div", dtype: real, wideNumbers: true },
  (s, a, b) => s.div(a, b),
  (g, a, b, y) => [div(g, b), neg(div(mul(g, y), b))],
);

/** `aᵇ`. For a base below zero the result is NaN unless the exponent is whole, and its gradient in the exponent is NaN. */
export const pow = binary(
  { name: "pow", dtype: real },
  (s, a, b) => s.pow(a, b),
  (g, a, b, y) => {
    // Operands that give 0 · ∞ are replaced beforehand. Masking the result instead would leave a 0 · ∞ in its derivative.
    const slope = mul(b, pow(a, sub(where(both(equal(b, 0), logicalNot(greater(abs(a), 0))), 1, b), 1)));
    const growth = mul(y, log(where(both(equal(a, 0), greaterEqual(b, 0)), 1, a)));
    return [mul(g, slope), mul(g, growth)];
  },
);

/** `−x` */
export const neg = unary(
  { name: "neg" },
  (s, x) => s.neg(x),
  (g) => neg(g),
);

/** `|x|`, with gradient 0 at 0 */
export const abs = unary(
  { name: "abs" },
  (s, x) => s.abs(x),
  (g, x) => mul(g, sign(x)),
);

/** `−1`, `0` or `1` */
export const sign = unary(
  { name: "sign" },
  (s, x) => s.less(x, s.num(0), s.num(-1), s.less(s.num(0), x, s.num(1), s.num(0))),
  (g) => mul(g, 0),
);

/** The largest whole number not above x; its gradient is 0 */
export const floor = unary(
  { name: "floor" },
  (s, x) => s.floor(x),
  (g) => mul(g, 0),
);

/** `eˣ` */
export const exp = unary(
  { name: "exp", dtype: real },
  (s, x) => s.exp(x),
  (g, x, y) => mul(g, y),
);

/** `ln x` */
export const log = unary(
  { name: "log", dtype: real },
  (s, x) => s.log(x),
  (g, x) => div(g, x),
);

/** `√x` */
export const sqrt = unary(
  { name: "sqrt", dtype: real },
  (s, x) => s.sqrt(x),
  (g, x, y) => div(g, mul(2, y)),
);

/** `1 / √x` */
export const rsqrt = unary(
  { name: "rsqrt", dtype: real },
  (s, x) => s.div(s.num(1), s.sqrt(x)),
  (g, x, y) => mul(g, mul(-0.5, div(y, x))),
);

/** `x²` */
export const square = unary(
  { name: "square" },
  (s, x) => s.mul(x, x),
  (g, x) => mul(g, mul(2, x)),
);

export const sin = unary(
  { name: "sin", dtype: real },
  (s, x) => s.sin(x),
  (g, x) => mul(g, cos(x)),
);

export const cos = unary(
  { name: "cos", dtype: real },
  (s, x) => s.cos(x),
  (g, x) => neg(mul(g, sin(x))),
);

/** The smaller of a and b; where they are equal each gets half of the gradient, and NaN wins, as in PyTorch */
export const minimum = binary(
  { name: "minimum" },
  (s, a, b) => s.equal(b, b, s.less(b, a, b, a), b),
  (g, a, b) => [mul(g, share(a, b)), mul(g, share(b, a))],
);

/** The larger of a and b; where they are equal each gets half of the gradient, and NaN wins, as in PyTorch */
export const maximum = binary(
  { name: "maximum" },
  (s, a, b) => s.equal(b, b, s.less(a, b, b, a), b),
  (g, a, b) => [mul(g, share(b, a)), mul(g, share(a, b))],
);

/** Whether two conditions hold. */
const both = (a: Tensor, b: Tensor): Tensor => minimum(a, b);

/** The first operand's share of a gradient that goes to the smaller. Where either is NaN, each operand gets all of it. */
const share = (a: Tensor, b: Tensor): Tensor => where(equal(a, b), 0.5, where(less(b, a), 0, 1));

/** `x` limited to `[low, high]` */
export const clamp = (x: Tensor, low: Like, high: Like): Tensor => minimum(maximum(x, low), high);
