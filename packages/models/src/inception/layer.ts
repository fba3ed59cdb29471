import { add, conv2d, mul, relu, reshape, rsqrt, sub, type Tensor } from "@snoopi/core";
import type { Params } from "../params.ts";

/** TensorFlow's, in which the network was trained. */
const eps = 1e-3;

export interface ConvSizes {
  readonly width: number;
  readonly out: number;
  readonly kernel: readonly [h: number, w: number];
  /** Default 1. */
  readonly stride?: number;
  /** Zeros above and below, and on both sides. Default 0. */
  readonly padding?: readonly [y: number, x: number];
}

/** What a layer computes with: its convolution after the norm has been folded into it. */
export interface Folded {
  readonly weight: Tensor;
  readonly bias: Tensor;
}

/**
 * Convolution without bias, batch norm by its running statistics, ReLU: torchvision's `BasicConv2d` in evaluation, under its names. The
 * norm is an affine map of each channel, so it is folded into weight and bias once; both are appended to `folded`.
 */
export function convNormRelu(p: Params, { width, out, kernel, stride = 1, padding = [0, 0] }: ConvSizes, folded: Folded[]) {
  const weight = p.at("conv").get("weight", [out, width, ...kernel]);
  const norm = p.at("bn");
  const [scale, shift, mean, variance] = ["weight", "bias", "running_mean", "running_var"].map((name) => norm.get(name, [out]));
  const gain = mul(scale, rsqrt(add(variance, eps)));
  const own: Folded = { weight: mul(weight, reshape(gain, [out, 1, 1, 1])), bias: sub(shift, mul(mean, gain)) };
  folded.push(own);
  return (x: Tensor): Tensor => relu(conv2d(x, own.weight, { stride, padding, bias: own.bias }));
}
