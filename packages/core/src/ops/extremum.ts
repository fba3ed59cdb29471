import { OpError } from "../error.ts";
import { dense, expanded, walk } from "../layout.ts";
import type { Op } from "../op.ts";
import { checkOptions } from "../options.ts";
import { type Shape, show, sizeOf } from "../shape.ts";
import { apply, type Tensor } from "../tensor.ts";
import { div, mul, neg, sub } from "./arithmetic.ts";
import { cast } from "./cast.ts";
import { equal, logicalNot } from "./compare.ts";
import { type Axes, axesOf, keptShape, type ReduceOptions, reduceNames, squeezed, sum } from "./sum.ts";

function checkSome(op: string, shape: Shape, axes: readonly number[]): void {
  if (axes.some((axis) => shape[axis] === 0)) throw new OpError(op, `${show(shape)} has no elements to choose from`);
}

export const amaxOp: Op<Axes> = {
  name: "amax",
  infer([x], { axes }) {
    checkSome("amax", x.shape, axes);
    return { shape: keptShape(x.shape, axes), dtype: x.dtype };
  },
  reference([x], _, out) {
    const best = new Float64Array(out.data.length).fill(Number.NEGATIVE_INFINITY);
    walk(expanded(dense(out.shape), x.shape), (i, at) => {
      if (x.data[i] > best[at] || Number.isNaN(x.data[i])) best[at] = x.data[i];
    });
    out.data.set(best);
  },
  // Elements that equal the maximum share its gradient, as in PyTorch's amax. They are counted as integers, since a count in f16 overflows.
  vjp(g, { inputs: [x], output, attrs: { axes } }) {
    const hit = equal(x, output);
    return [mul(cast(hit, g.dtype), div(g, sum(hit, { axis: axes, keepdims: true })))];
  },
  cost: ([x]) => sizeOf(x.shape),
};

/** The largest element over `axis`. */
export function amax(x: Tensor, options: ReduceOptions = {}): Tensor {
  const { axis, keepdims } = checkOptions("amax", options, reduceNames);
  const axes = axesOf("amax", x.rank, axis);
  return squeezed(apply(amaxOp, [x], { axes }), axes, keepdims);
}

/** The smallest element over `axis`: the largest, after reversing the order of values. */
export function amin(x: Tensor, options: ReduceOptions = {}): Tensor {
  checkOptions("amin", options, reduceNames);
  checkSome("amin", x.shape, axesOf("amin", x.rank, options.axis));
  // −1 − t and not −t: the least i32 has no opposite.
  const reversed = (t: Tensor) =>
    t.dtype === "bool" ? logicalNot(t) : t.dtype === "u32" ? sub(2 ** 32 - 1, t) : t.dtype === "i32" ? sub(-1, t) : neg(t);
  return reversed(amax(reversed(x), options));
}
