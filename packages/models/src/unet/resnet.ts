import { add, cast, chunk, div, mul, reshape, silu, type Tensor } from "@snoopi/core";
import { conv2d, groupNorm, linear } from "../layers.ts";
import type { Params } from "../params.ts";

export interface ResnetSizes {
  readonly width: number;
  readonly out: number;
  /** Width of the time embedding. */
  readonly time: number;
  /** How time enters the second norm: added to its input, or scaling and shifting its output. */
  readonly timeScaleShift: "default" | "scale_shift";
  readonly groups: number;
  readonly eps: number;
  /** Divides the sum at the end. Default 1. */
  readonly scaleFactor?: number;
}

/** diffusers' `ResnetBlock2D`: `x [B, width, H, W] → [B, out, H, W]`. `time [1 or B, time]` is the `silu` of the time embedding. */
export function resnetBlock(p: Params, { width, out, time, timeScaleShift, groups, eps, scaleFactor = 1 }: ResnetSizes) {
  const scales = timeScaleShift === "scale_shift";
  const norm1 = groupNorm(p.at("norm1"), width, { groups, eps });
  const conv1 = conv2d(p.at("conv1"), width, out, { padding: 1 });
  const timeProjection = linear(p.at("time_emb_proj"), time, scales ? 2 * out : out);
  const norm2 = groupNorm(p.at("norm2"), out, { groups, eps });
  const conv2 = conv2d(p.at("conv2"), out, out, { padding: 1 });
  const shortcut = width === out ? (x: Tensor) => x : conv2d(p.at("conv_shortcut"), width, out, { kernel: 1 });

  const normWithTime = (h: Tensor, t: Tensor): Tensor => {
    // Time is f32 and would promote all that follows.
    const shift = cast(reshape(timeProjection(t), [t.shape[0], -1, 1, 1]), h.dtype);
    if (!scales) return norm2(add(h, shift));
    const [scale, offset] = chunk(shift, 2, { axis: 1 });
    return add(mul(norm2(h), add(scale, 1)), offset);
  };

  return (x: Tensor, activatedTime: Tensor): Tensor => {
    const h = normWithTime(conv1(silu(norm1(x))), activatedTime);
    const sum = add(shortcut(x), conv2(silu(h)));
    return scaleFactor === 1 ? sum : div(sum, scaleFactor);
  };
}
