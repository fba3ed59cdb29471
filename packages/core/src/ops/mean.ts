import { checkOptions } from "../options.ts";
import type { Tensor } from "../tensor.ts";
import { add, div, mul, square, sub } from "./arithmetic.ts";
import { cast } from "./cast.ts";
import { axesOf, type ReduceOptions, reduceNames, sum } from "./sum.ts";

const countOf = (op: string, x: Tensor, axis: ReduceOptions["axis"]): number =>
  axesOf(op, x.rank, axis).reduce((n, a) => n * x.shape[a], 1);

/**
 * NaN, for an empty total. Dividing it by zero would divide the cotangent as well: a derivative of the gradient, itself an empty total,
 * would be 0 / 0 instead of 0.
 */
const ofNothing = (total: Tensor): Tensor => add(total, Number.NaN);

const over = (total: Tensor, count: number): Tensor => (count === 0 ? ofNothing(total) : div(total, count));

/** The arithmetic mean over `axis`; f32 for integers. */
export function mean(x: Tensor, options: ReduceOptions = {}): Tensor {
  checkOptions("mean", options, reduceNames);
  const count = countOf("mean", x, options.axis);
  // A sum in f16 overflows at 65504 long before the mean does, and one of integers wraps.
  if (x.dtype === "f16") return cast(over(sum(cast(x, "f32"), options), count), "f16");
  if (x.dtype === "i32" || x.dtype === "u32") return over(sum(cast(x, "f32"), options), count);
  return over(sum(x, options), count);
}

export interface VarianceOptions extends ReduceOptions {
  /** Divide by n − correction. Default 1, as in PyTorch. */
  readonly correction?: number;
}

/** The variance over `axis`, from squared distances to the mean. Infinite or NaN where n − correction is not positive. */
export function variance(x: Tensor, options: VarianceOptions = {}): Tensor {
  const { correction = 1, ...along } = checkOptions("variance", options, { ...reduceNames, correction: true });
  const count = countOf("variance", x, along.axis);
  if (x.dtype === "f16") return cast(variance(cast(x, "f32"), options), "f16");
  const centred = sub(x, mean(x, { ...along, keepdims: true }));
  const total = sum(square(centred), along);
  return count === 0 ? ofNothing(total) : mul(total, 1 / Math.max(0, count - correction));
}
