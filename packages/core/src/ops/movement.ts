import { kindOf, OpError } from "../error.ts";
import { permuted, reshaped } from "../layout.ts";
import type { ViewOp } from "../op.ts";
import { normalizeAxis, type Shape, sameShape, show, sizeOf } from "../shape.ts";
import { apply, share, type Tensor } from "../tensor.ts";
import { checkShape } from "./full.ts";

export const reshapeOp: ViewOp<{ shape: Shape }> = {
  name: "reshape",
  infer([x], { shape }) {
    if (sizeOf(checkShape("reshape", shape)) !== sizeOf(x.shape)) {
      throw new OpError("reshape", `${show(x.shape)} has ${sizeOf(x.shape)} elements and ${show(shape)} has ${sizeOf(shape)}`);
    }
    return { shape, dtype: x.dtype };
  },
  view: (layout, _, shape) => reshaped(layout, shape),
  vjp: (g, { inputs: [x] }) => [reshape(g, x.shape)],
};

export const permuteOp: ViewOp<{ order: readonly number[] }> = {
  name: "permute",
  infer([x], { order }) {
    const axes = order.map((axis) => normalizeAxis("permute", axis, x.shape.length));
    if (axes.length !== x.shape.length || new Set(axes).size !== axes.length) {
      throw new OpError("permute", `${show(order)} is not an order of the ${x.shape.length} axes of ${show(x.shape)}`);
    }
    return { shape: axes.map((axis) => x.shape[axis]), dtype: x.dtype };
  },
  view: (layout, { order }) =>
    permuted(
      layout,
      order.map((axis) => (axis < 0 ? axis + order.length : axis)),
    ),
  vjp(g, { attrs: { order } }) {
    const axes = order.map((axis) => (axis < 0 ? axis + order.length : axis));
    return [
      permute(
        g,
        axes.map((_, i) => axes.indexOf(i)),
      ),
    ];
  },
};

export const aliasOp: ViewOp = {
  name: "alias",
  infer: ([x]) => x,
  view: (layout) => layout,
  vjp: (g) => [g],
};

/** The same elements in another shape of equal size; one length may be −1. A view where the strides allow it. */
export function reshape(x: Tensor, shape: Shape): Tensor {
  if (!Array.isArray(shape)) throw new OpError("reshape", `the shape is ${kindOf(shape)}, expected a list of whole numbers`);
  const known = shape.filter((d) => d !== -1).reduce((n, d) => n * d, 1);
  if (shape.filter((d) => d === -1).length > 1) throw new OpError("reshape", `only one length can be −1, got ${show(shape)}`);
  if (shape.includes(-1) && (known === 0 || sizeOf(x.shape) % known !== 0)) {
    throw new OpError("reshape", `${sizeOf(x.shape)} elements do not divide into ${show(shape)}`);
  }
  const full = shape.map((d) => (d === -1 ? sizeOf(x.shape) / known : d));
  return sameShape(full, x.shape) ? share(x) : apply(reshapeOp, [x], { shape: full });
}

/** Axis `i` of the result is axis `order[i]` of `x`. A view. */
export const permute = (x: Tensor, order: readonly number[]): Tensor => apply(permuteOp, [x], { order: [...order] });

/** Swaps two axes, by default the last two. A view. */
export function transpose(x: Tensor, a = -2, b = -1): Tensor {
  const order = x.shape.map((_, i) => i);
  const [i, j] = [normalizeAxis("transpose", a, x.rank), normalizeAxis("transpose", b, x.rank)];
  [order[i], order[j]] = [order[j], order[i]];
  return permute(x, order);
}

/** The same value as a separate node, which gradients tell apart. */
export const alias = (x: Tensor): Tensor => apply(aliasOp, [x], undefined);
