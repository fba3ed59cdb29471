import { isFloat } from "../dtype.ts";
import { kindOf, OpError } from "../error.ts";
import { dense, expanded, walk } from "../layout.ts";
import type { Op, ViewOp } from "../op.ts";
import { checkOptions, type NamesOf } from "../options.ts";
import { broadcast, normalizeAxis, type Shape, sameShape, show, sizeOf } from "../shape.ts";
import { apply, share, type Tensor } from "../tensor.ts";
import { checkShape } from "./full.ts";
import { reshape } from "./movement.ts";

/** Axes to reduce, sorted and counted from the front. */
export interface Axes {
  readonly axes: readonly number[];
}

/** The shape of a reduction that keeps its axes, with length one. */
export const keptShape = (shape: Shape, axes: readonly number[]): number[] => shape.map((d, i) => (axes.includes(i) ? 1 : d));

export const sumOp: Op<Axes> = {
  name: "sum",
  infer: ([x], { axes }) => ({ shape: keptShape(x.shape, axes), dtype: isFloat(x.dtype) || x.dtype === "u32" ? x.dtype : "i32" }),
  reference([x], _, out) {
    // In f64 whatever the type: this is what the kernels' error bounds are measured from.
    const sums = new Float64Array(out.data.length);
    walk(expanded(dense(out.shape), x.shape), (i, at) => {
      sums[at] += x.data[i];
    });
    out.data.set(sums);
  },
  vjp: (g, { inputs: [x] }) => [broadcastTo(g, x.shape)],
  cost: ([x]) => sizeOf(x.shape),
};

export const broadcastToOp: ViewOp<{ shape: Shape }> = {
  name: "broadcastTo",
  infer([x], { shape }) {
    if (x.shape.length > shape.length || !sameShape(broadcast("broadcastTo", x.shape, shape), shape)) {
      throw new OpError("broadcastTo", `${show(x.shape)} does not stretch to ${show(shape)}`);
    }
    return { shape, dtype: x.dtype };
  },
  view: (layout, _, shape) => expanded(layout, shape),
  vjp: (g, { inputs: [x] }) => [sumTo(g, x.shape)],
};

export interface ReduceOptions {
  /** One axis or several, negative from the end. Default all. */
  readonly axis?: number | readonly number[];
  /** Leave the reduced axes in place with length one. Default false. */
  readonly keepdims?: boolean;
}

export const reduceNames: NamesOf<ReduceOptions> = { axis: true, keepdims: true };

/** The axes of a reduction, sorted and counted from the front. */
export function axesOf(op: string, rank: number, axis: ReduceOptions["axis"]): number[] {
  if (axis === undefined) return Array.from({ length: rank }, (_, i) => i);
  if (typeof axis !== "number" && !Array.isArray(axis)) throw new OpError(op, `axis is ${kindOf(axis)}, expected a number or several`);
  const axes = (typeof axis === "number" ? [axis] : axis).map((a) => normalizeAxis(op, a, rank));
  if (new Set(axes).size !== axes.length) throw new OpError(op, `axis ${show(axis as number[])} names an axis twice`);
  return axes.sort((a, b) => a - b);
}

/** Drops the reduced axes unless they are to be kept. */
export const squeezed = (y: Tensor, axes: readonly number[], keepdims = false): Tensor =>
  keepdims
    ? y
    : reshape(
        y,
        y.shape.filter((_, i) => !axes.includes(i)),
      );

/** Sums over `axis`. Booleans are counted, in i32. */
export function sum(x: Tensor, options: ReduceOptions = {}): Tensor {
  const { axis, keepdims } = checkOptions("sum", options, reduceNames);
  const axes = axesOf("sum", x.rank, axis);
  return squeezed(apply(sumOp, [x], { axes }), axes, keepdims);
}

/** Repeats `x` along its axes of length one, and along new leading ones, until it has `shape`. A view. */
export const broadcastTo = (x: Tensor, shape: Shape): Tensor =>
  sameShape(x.shape, checkShape("broadcastTo", shape)) ? share(x) : apply(broadcastToOp, [x], { shape: [...shape] });

/** Sums the axes along which `shape` was broadcast: the transpose of {@link broadcastTo}. */
export function sumTo(x: Tensor, shape: Shape): Tensor {
  if (x.rank < shape.length || !sameShape(broadcast("sumTo", x.shape, shape), x.shape)) {
    throw new OpError("sumTo", `${show(x.shape)} is not a broadcast of ${show(shape)}`);
  }
  const lead = x.rank - shape.length;
  const axes = x.shape.flatMap((d, i) => (i < lead || shape[i - lead] !== d ? [i] : []));
  return axes.length ? reshape(apply(sumOp, [x], { axes }), shape) : reshape(x, shape);
}
