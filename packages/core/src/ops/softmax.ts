import { isFloat } from "../dtype.ts";
import { OpError } from "../error.ts";
import type { Op } from "../op.ts";
import { checkOptions } from "../options.ts";
import { normalizeAxis, sameShape, show, sizeOf } from "../shape.ts";
import { apply, type Tensor } from "../tensor.ts";
import { mul, sub } from "./arithmetic.ts";
import { vjpOf } from "./composed.ts";
import { transpose } from "./movement.ts";
import { sum } from "./sum.ts";

export const softmaxOp: Op = {
  name: "softmax",
  infer([x]) {
    if (x.shape.length === 0) throw new OpError("softmax", `expected at least one axis, got ${show(x.shape)}`);
    if (!isFloat(x.dtype)) throw new OpError("softmax", `expected floats, got ${x.dtype}`, 'Cast it first with x.to("f32").');
    return x;
  },
  reference([x], _, out) {
    const n = x.shape[x.shape.length - 1];
    for (let row = 0; row < x.data.length; row += n) {
      let max = Number.NEGATIVE_INFINITY;
      for (let i = 0; i < n; i++) max = Math.max(max, x.data[row + i]);
      let total = 0;
      for (let i = 0; i < n; i++) total += Math.exp(x.data[row + i] - max);
      for (let i = 0; i < n; i++) out.data[row + i] = Math.exp(x.data[row + i] - max) / total;
    }
  },
  vjp: (g, { output: y }) => [apply(softmaxGradOp, [g, y], undefined)],
  cost: ([x]) => 5 * sizeOf(x.shape),
};

/** From the cotangent g of y = softmax(x) to that of x: y ∘ (g − Σ g∘y), for ∂yᵢ/∂xⱼ = yᵢ(δᵢⱼ − yⱼ). Along the last axis. */
export const softmaxGradOp: Op = {
  name: "softmaxGrad",
  infer([g, y]) {
    if (y.shape.length === 0 || !sameShape(g.shape, y.shape))
      throw new OpError("softmaxGrad", `expected two alike with at least one axis, got ${show(g.shape)} and ${show(y.shape)}`);
    return y;
  },
  reference([g, y], _, out) {
    const n = y.shape[y.shape.length - 1];
    for (let row = 0; row < y.data.length; row += n) {
      let along = 0;
      for (let i = row; i < row + n; i++) along += g.data[i] * y.data[i];
      for (let i = row; i < row + n; i++) out.data[i] = y.data[i] * (g.data[i] - along);
    }
  },
  vjp: vjpOf(([g, y]) => mul(y, sub(g, sum(mul(g, y), { axis: -1, keepdims: true })))),
  cost: ([, y]) => 4 * sizeOf(y.shape),
};

/** `exp(x) / Σ exp(x)` along `axis`, by default the last. */
export function softmax(x: Tensor, options: { readonly axis?: number } = {}): Tensor {
  const { axis = -1 } = checkOptions("softmax", options, { axis: true });
  if (x.rank === 0 || normalizeAxis("softmax", axis, x.rank) === x.rank - 1) return apply(softmaxOp, [x], undefined);
  return transpose(apply(softmaxOp, [transpose(x, axis, -1)], undefined), axis, -1);
}
