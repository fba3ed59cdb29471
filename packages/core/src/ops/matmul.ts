import { isFloat, promote } from "../dtype.ts";
import { OpError } from "../error.ts";
import { placesOf } from "../layout.ts";
import type { Op, Spec } from "../op.ts";
import { broadcast, type Shape, sameShape, show, sizeOf } from "../shape.ts";
import { apply, type Tensor } from "../tensor.ts";
import { unbroadcast } from "./elementwise.ts";
import { permuteOp, reshape, transpose } from "./movement.ts";
import { sumTo } from "./sum.ts";

const tail = (shape: Shape): [number, number] => [shape[shape.length - 2], shape[shape.length - 1]];

/** Inputs `a [..., m, k]`, `b [..., k, n]` and, optionally, a bias `[n]` that is added to every row. */
export const matmulOp: Op = {
  name: "matmul",

  infer([a, b, bias]: readonly Spec[]) {
    if (a.shape.length < 2 || b.shape.length < 2) {
      throw new OpError("matmul", `expected matrices or stacks of them, got ${show(a.shape)} and ${show(b.shape)}`);
    }
    const [[m, k], [k2, n]] = [tail(a.shape), tail(b.shape)];
    const batch = broadcast("matmul", a.shape.slice(0, -2), b.shape.slice(0, -2));
    if (k !== k2) {
      const fix = k === n ? "Did you mean matmul(a, transpose(b))?" : m === k2 ? "Did you mean matmul(transpose(a), b)?" : undefined;
      throw new OpError("matmul", `inner sizes differ, ${k} ≠ ${k2}, in ${show(a.shape)} × ${show(b.shape)}`, fix);
    }
    if (!isFloat(a.dtype) || !isFloat(b.dtype)) throw new OpError("matmul", `expected floats, got ${a.dtype} and ${b.dtype}`);
    if (bias && !sameShape(bias.shape, [n]))
      throw new OpError("matmul", `the bias is ${show(bias.shape)} and the product has ${n} columns`);
    if (bias && !isFloat(bias.dtype)) throw new OpError("matmul", `the bias is ${bias.dtype}, expected floats`);
    return { shape: [...batch, m, n], dtype: promote(a.dtype, b.dtype) };
  },

  reference([a, b, bias], _, out) {
    const [[m, k], n] = [tail(a.shape), out.shape[out.shape.length - 1]];
    const batch = out.shape.slice(0, -2);
    const stacks = [a, b].map((x) => placesOf(x.shape.slice(0, -2), batch));
    const row = new Float64Array(n);
    for (let s = 0; s < sizeOf(batch); s++) {
      const [A, B] = [stacks[0][s] * m * k, stacks[1][s] * k * n];
      for (let i = 0; i < m; i++) {
        // One row of b at a time: the inner loop walks memory in order.
        row.fill(0);
        for (let p = 0; p < k; p++) {
          const v = a.data[A + i * k + p];
          for (let j = 0, at = B + p * n; j < n; j++, at++) row[j] += v * b.data[at];
        }
        if (bias) for (let j = 0; j < n; j++) row[j] += bias.data[j];
        out.data.set(row, (s * m + i) * n);
      }
    }
  },

  vjp: (g, { inputs: [a, b, bias] }) => [
    unbroadcast(matmul(g, transpose(b)), a.shape),
    // Computed in b's memory order: the gradient of a weight [out, in] that is read transposed is then row-major, as the weight is.
    unbroadcast(liesTransposed(b) ? transpose(matmul(transpose(g), a)) : matmul(transpose(a), g), b.shape),
    ...(bias ? [sumTo(g, bias.shape)] : []),
  ],

  cost: ([a], _, out) => 2 * sizeOf(out.shape) * a.shape[a.shape.length - 1],
};

/** Whether the last two axes are stored transposed, or will be, the second-to-last varying fastest. */
function liesTransposed({ node: { value, origin } }: Tensor): boolean {
  if (value) return value.layout.strides.at(-2) === 1 && value.layout.strides.at(-1) !== 1;
  if (origin?.op !== permuteOp) return false;
  const { order } = origin.attrs as { order: readonly number[] };
  return order.at(-1) === order.length - 2 && order.at(-2) === order.length - 1;
}

/** Matrix product `[..., m, k] × [..., k, n] → [..., m, n]`; leading axes broadcast. f16 operands are read directly, sums are f32. */
export function matmul(a: Tensor, b: Tensor): Tensor {
  return product(a, b, []);
}

/** `x · weightᵀ + bias` with `x [..., in]`, `weight [out, in]`, `bias [out]`: a fully connected layer, weights as PyTorch stores them. */
export function linear(x: Tensor, weight: Tensor, bias?: Tensor): Tensor {
  if (weight.rank !== 2 || x.rank < 1 || x.shape[x.rank - 1] !== weight.shape[1]) {
    throw new OpError("linear", `the weight is ${show(weight.shape)}, [out, in], and x is ${show(x.shape)}, [..., in]`);
  }
  if (bias && !sameShape(bias.shape, [weight.shape[0]]))
    throw new OpError("linear", `the bias is ${show(bias.shape)} and the weight ${show(weight.shape)}, [out, in]`);
  const rows = x.rank === 1 ? reshape(x, [1, -1]) : x;
  const y = product(rows, transpose(weight), bias ? [bias] : []);
  return x.rank === 1 ? reshape(y, [weight.shape[0]]) : y;
}

/** Flattens the leading axes of `a` where one matrix on the right serves all its rows. */
function product(a: Tensor, b: Tensor, bias: Tensor[]): Tensor {
  if (a.rank <= 2 || b.rank !== 2 || a.shape[a.rank - 1] !== b.shape[0]) return apply(matmulOp, [a, b, ...bias], undefined);
  const flat = apply(matmulOp, [reshape(a, [sizeOf(a.shape.slice(0, -1)), a.shape[a.rank - 1]]), b, ...bias], undefined);
  return reshape(flat, [...a.shape.slice(0, -1), b.shape[1]]);
}
