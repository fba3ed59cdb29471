import {
  add,
  type Conv2dOptions,
  cast,
  conv2d as convolve,
  embedding as lookUp,
  mean,
  mul,
  linear as multiply,
  layerNorm as normalize,
  groupNorm as normalizeGroups,
  rsqrt,
  square,
  type Tensor,
} from "@snoopi/core";
import type { Layer, Params } from "./params.ts";

// The only place where weights are applied to inputs. A layer takes its parameters and sizes and returns a function of tensors.

const wrapped = (p: Params, layer: Layer): Layer["call"] => p.wrap?.(layer) ?? layer.call;

/** `[..., width] → [..., out]` */
export function linear(p: Params, width: number, out: number, { bias = true }: { readonly bias?: boolean } = {}) {
  const weight = p.get("weight", [out, width]);
  const shift = bias ? p.get("bias", [out]) : undefined;
  return wrapped(p, { kind: "linear", width, out, call: (x) => multiply(x, weight, shift) });
}

export interface ConvOptions extends Pick<Conv2dOptions, "stride" | "padding"> {
  /** Side of the square window. Default 3. */
  readonly kernel?: number;
  /** Default true. */
  readonly bias?: boolean;
}

/** `[B, width, H, W] → [B, out, H', W']` */
export function conv2d(p: Params, width: number, out: number, { kernel = 3, bias = true, ...window }: ConvOptions = {}) {
  const weight = p.get("weight", [out, width, kernel, kernel]);
  const shift = bias ? p.get("bias", [out]) : undefined;
  return wrapped(p, {
    kind: "conv2d",
    width,
    out,
    kernel,
    window,
    call: (x) => convolve(x, weight, { ...window, ...(shift && { bias: shift }) }),
  });
}

/** Over `[B, width, ...]` */
export function groupNorm(p: Params, width: number, { groups, eps }: { readonly groups: number; readonly eps: number }) {
  const [weight, bias] = [p.get("weight", [width]), p.get("bias", [width])];
  return (x: Tensor): Tensor => normalizeGroups(x, groups, { eps, weight, bias });
}

/** Over `[..., width]` */
export function layerNorm(p: Params, width: number, { eps }: { readonly eps: number }) {
  const [weight, bias] = [p.get("weight", [width]), p.get("bias", [width])];
  return (x: Tensor): Tensor => normalize(x, { eps, weight, bias });
}

/** Over `[..., width]`: divided by the root of the mean square. No mean is subtracted, and there is no bias. */
export function rmsNorm(p: Params, width: number, { eps }: { readonly eps: number }) {
  const weight = p.get("weight", [width]);
  return (x: Tensor): Tensor => mul(mul(x, rsqrt(add(mean(square(x), { axis: -1, keepdims: true }), eps))), weight);
}

/** `ids [...] → [..., width]`, in f32 whatever the table is stored in */
export function embedding(p: Params, rows: number, width: number) {
  const table = p.get("weight", [rows, width]);
  return (ids: Tensor): Tensor => cast(lookUp(table, ids), "f32");
}
