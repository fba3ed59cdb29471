import { checkOptions } from "../options.ts";
import type { Tensor } from "../tensor.ts";
import { add, exp, mul, square, sub } from "./arithmetic.ts";
import { lessEqual, where } from "./compare.ts";
import { real, unary } from "./elementwise.ts";

export const tanh = unary(
  { name: "tanh", dtype: real },
  (s, x) => s.tanh(x),
  (g, x, y) => mul(g, sub(1, square(y))),
);

/** The error function `2/√π ∫₀ˣ e^(−t²) dt` */
export const erf = unary(
  { name: "erf", dtype: real },
  (s, x) => s.erf(x),
  (g, x) => mul(g, mul(2 / Math.sqrt(Math.PI), exp(mul(-1, square(x))))),
);

/** `1 / (1 + e⁻ˣ)` */
export const sigmoid = unary(
  { name: "sigmoid", dtype: real },
  (s, x) => s.div(s.num(1), s.add(s.num(1), s.exp(s.neg(x)))),
  (g, x, y) => mul(g, mul(y, sub(1, y))),
);

/** `max(x, 0)`, with gradient 0 at 0, and 1 at NaN, as in PyTorch */
export const relu = unary(
  { name: "relu" },
  (s, x) => s.less(x, s.num(0), s.num(0), x),
  (g, x) => where(lessEqual(x, 0), 0, g),
);

/** `x · sigmoid(x)`, also called swish */
export const silu = unary(
  { name: "silu", dtype: real },
  (s, x) => s.div(x, s.add(s.num(1), s.exp(s.neg(x)))),
  // Of x alone, so that y need not be kept.
  (g, x) => mul(g, mul(sigmoid(x), add(1, mul(x, sub(1, sigmoid(x)))))),
);

/** `x · σ(1.702 x)`: the GELU of OpenAI's CLIP */
export const quickGelu = unary(
  { name: "quickGelu", dtype: real },
  (s, x) => s.div(x, s.add(s.num(1), s.exp(s.mul(s.num(-1.702), x)))),
  (g, x) => {
    const gate = sigmoid(mul(1.702, x));
    return mul(g, mul(gate, add(1, mul(1.702, mul(x, sub(1, gate))))));
  },
);

const geluErf = unary(
  { name: "gelu", dtype: real },
  (s, x) => s.mul(s.mul(s.num(0.5), x), s.add(s.num(1), s.erf(s.mul(x, s.num(Math.SQRT1_2))))),
  (g, x) => {
    const phi = mul(0.5, add(1, erf(mul(x, Math.SQRT1_2))));
    const density = mul(1 / Math.sqrt(2 * Math.PI), exp(mul(-0.5, square(x))));
    return mul(g, add(phi, mul(x, density)));
  },
);

const [c0, c1] = [Math.sqrt(2 / Math.PI), 0.044715];
const geluApproximate = unary(
  { name: "geluTanh", dtype: real },
  (s, x) => {
    const inner = s.mul(s.num(c0), s.add(x, s.mul(s.num(c1), s.mul(x, s.mul(x, x)))));
    return s.mul(s.mul(s.num(0.5), x), s.add(s.num(1), s.tanh(inner)));
  },
  (g, x) => {
    const t = tanh(mul(c0, add(x, mul(c1, mul(x, square(x))))));
    const slope = mul(c0, add(1, mul(3 * c1, square(x))));
    return mul(g, add(mul(0.5, add(1, t)), mul(mul(0.5, x), mul(sub(1, square(t)), slope))));
  },
);

/** `x · Φ(x)` with the normal distribution function Φ: exact by default, or the tanh approximation. */
export const gelu = Object.assign(
  (x: Tensor, options: { readonly approximate?: "none" | "tanh" } = {}): Tensor =>
    checkOptions("gelu", options, { approximate: true }).approximate === "tanh" ? geluApproximate(x) : geluErf(x),
  { op: geluErf.op, tanhOp: geluApproximate.op },
);
