import { costOf } from "../device.ts";
import type { DType } from "../dtype.ts";
import { placesOf } from "../layout.ts";
import type { Elementwise, Op, Value } from "../op.ts";
import { sizeOf } from "../shape.ts";
import { wgsl } from "./accuracy.ts";

/** Half the distance from 1 to the next number: what one rounding can change, relative to the result. */
const unit: Partial<Record<DType, number>> = { f64: 2 ** -53, f32: 2 ** -24, f16: 2 ** -11 };

/** Most that element `i` of a result may differ from the reference. */
export type ElementBound = (i: number) => number;

/**
 * How far a sum of `length` terms computed in f32 may lie from the exact one when the terms' sizes add up to `magnitude`, in any order
 * of summation, with or without fused multiply-adds: each term takes part in at most `length` additions and one product, so its
 * relative error is at most (length + 1)·2⁻²⁴ to first order (Higham, Accuracy and Stability, §3.1); one more unit pays for the higher
 * orders. The result is then rounded to `dtype`; WGSL leaves the direction open for f16, hence two units, and may flush what is
 * subnormal.
 */
export function bound(dtype: DType, length: number, magnitude: number): number {
  if (unit[dtype] === undefined) return 0;
  return (length + 2) * 2 ** -24 * magnitude + 2 * (dtype === "f16" ? 2 ** -11 * magnitude + 2 ** -14 : 2 ** -126);
}

/**
 * For ops that are linear in each input, such as `matmul`: the terms' sizes add up to the reference's result on absolute values. `out` is
 * the op's result, or its further result `result`, counted from 1.
 */
export function linearBound<A>(op: Op<A>, inputs: readonly Value[], attrs: A, out: Value, result = 0): ElementBound {
  const sizes = [op.infer(inputs, attrs), ...(op.extras?.(inputs, attrs) ?? [])].map((spec) => ({
    ...spec,
    data: new Float64Array(sizeOf(spec.shape)),
  }));
  op.reference(
    inputs.map((x) => ({
      ...x,
      data: x.dtype === "bool" || (x.dtype.endsWith("32") && x.dtype !== "f32") ? x.data : (x.data.map(Math.abs) as Value["data"]),
    })),
    attrs,
    sizes[0],
    sizes.slice(1),
  );
  const length = costOf(op, inputs, attrs, out) / Math.max(1, sizeOf(out.shape));
  return (i) => bound(out.dtype, length, Math.abs(sizes[result].data[i]));
}

/** For elementwise ops: the formula's own error, step by step, by the accuracy that WGSL demands of each function. */
export function elementwiseBound(op: Elementwise<any>, inputs: readonly Value[], out: Value): ElementBound {
  if (unit[out.dtype] === undefined && inputs.every((x) => unit[x.dtype] === undefined)) return () => 0;
  const places = inputs.map((x) => placesOf(x.shape, out.shape));
  return (i) => {
    const { v, e } = op.formula(
      wgsl,
      inputs.map((x, k) => ({ v: x.data[places[k][i]], e: 0 })),
    );
    return e + bound(out.dtype, 0, Math.abs(v));
  };
}
