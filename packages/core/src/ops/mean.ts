import { type Tensor } from "../tensor.ts";
import { div, mul, square, sub } from "./arithmetic.ts";
import { axesOf, type ReduceOptions, sum } from "./sum.ts";

const countOf = (x: Tensor, axis: ReduceOptions["axis"]): number => axesOf("mean", x.rank, axis).reduce((n, a) => n * x.shape[a], 1);

/** The arithmetic mean over `axis`. */
export const mean = (x: Tensor, options: ReduceOptions = {}): Tensor => div(sum(x, options), countOf(x, options.axis));

export interface VarianceOptions extends ReduceOptions {
  /** Divide by n − correction. Default 1, as in PyTorch. */
  readonly correction?: number;
}

/** The variance over `axis`, from squared distances to the mean. */
export function variance(x: Tensor, { correction = 1, ...options }: VarianceOptions = {}): Tensor {
  const centred = sub(x, mean(x, { ...options, keepdims: true }));
  return mul(sum(square(centred), options), 1 / (countOf(x, options.axis) - correction));
}
