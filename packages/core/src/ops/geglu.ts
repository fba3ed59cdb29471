import { isFloat } from "../dtype.ts";
import { OpError } from "../error.ts";
import type { Op, Value } from "../op.ts";
import { numbers } from "../scalar.ts";
import { sameShape, show, sizeOf } from "../shape.ts";
import { apply, type Tensor } from "../tensor.ts";
import { erf, gelu } from "./activation.ts";
import { add, exp, mul, square } from "./arithmetic.ts";
import { vjpOf } from "./composed.ts";
import { concat } from "./concat.ts";
import { chunk } from "./slice.ts";

/** Calls `visit` for every element of the result: its place there, and those of its value and gate in x. */
function pairs(x: Value, visit: (at: number, value: number, gate: number) => void): void {
  const half = x.shape[x.shape.length - 1] / 2;
  for (let at = 0; at < x.data.length / 2; at++) {
    const value = Math.floor(at / half) * 2 * half + (at % half);
    visit(at, value, value + half);
  }
}

/** Φ, the normal distribution function. */
const phi = (t: number): number => 0.5 * (1 + numbers.erf(t * Math.SQRT1_2));

export const gegluOp: Op = {
  name: "geglu",
  infer([x]) {
    const width = x.shape[x.shape.length - 1];
    if (x.shape.length === 0 || width % 2 !== 0)
      throw new OpError("geglu", `expected a last axis of two halves, value and gate, got ${show(x.shape)}`);
    if (!isFloat(x.dtype)) throw new OpError("geglu", `expected floats, got ${x.dtype}`, 'Cast it first with x.to("f32").');
    return { shape: [...x.shape.slice(0, -1), width / 2], dtype: x.dtype };
  },
  reference([x], _, out) {
    pairs(x, (at, value, gate) => {
      out.data[at] = x.data[value] * x.data[gate] * phi(x.data[gate]);
    });
  },
  vjp: (g, { inputs: [x] }) => [apply(gegluGradOp, [g, x], undefined)],
  cost: ([x]) => 5 * sizeOf(x.shape),
};

/** From the cotangent `[..., D]` of geglu and its input `[..., 2D]` to the input's cotangent. */
export const gegluGradOp: Op = {
  name: "gegluGrad",
  infer([g, x]) {
    const half = x.shape[x.shape.length - 1] / 2;
    if (x.shape.length === 0 || !sameShape(g.shape, [...x.shape.slice(0, -1), half]))
      throw new OpError("gegluGrad", `expected a cotangent of half the width of x, got ${show(g.shape)} and ${show(x.shape)}`);
    return x;
  },
  reference([g, x], _, out) {
    pairs(x, (at, value, gate) => {
      const t = x.data[gate];
      out.data[value] = g.data[at] * t * phi(t);
      out.data[gate] = g.data[at] * x.data[value] * (phi(t) + (t * Math.exp(-0.5 * t * t)) / Math.sqrt(2 * Math.PI));
    });
  },
  vjp: vjpOf(([g, x]) => {
    const [value, gate] = chunk(x, 2, { axis: -1 });
    const below = mul(0.5, add(1, erf(mul(gate, Math.SQRT1_2))));
    const slope = add(below, mul(gate, mul(1 / Math.sqrt(2 * Math.PI), exp(mul(-0.5, square(gate))))));
    return concat([mul(g, gelu(gate)), mul(mul(g, value), slope)], { axis: -1 });
  }),
  cost: ([, x]) => 8 * sizeOf(x.shape),
};

/** `value · gelu(gate)` for `x [..., 2D]`, whose last axis is value and gate side by side: `[..., D]`. Shazeer, GLU Variants Improve Transformer. */
export const geglu = (x: Tensor): Tensor => apply(gegluOp, [x], undefined);
