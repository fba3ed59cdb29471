import { SnoopiError } from "@snoopi/core";
import type { Context } from "@snoopi/models";
import type { Denoiser } from "../denoiser.ts";

export interface CfgOptions {
  /** κ of SNOOPI's Eq. 4 and 5: above 1 guides, anything else does nothing. diffusers calls it guidance_scale. */
  readonly scale: number;
  /** What to steer away from: the encoded negative prompt, or the encoded empty text. */
  readonly negative: Context;
  /** Denoises with the negative. Default the same denoiser; another one where guidance inside the network must not apply to both. */
  readonly negativeDenoiser?: Denoiser;
}

/**
 * Classifier-free guidance, `(1 − κ)·negative + κ·positive` (SNOOPI Eq. 5). On x₀ this is the same as on ε or v, which depend on it
 * linearly at a given x_t. A scale of at most 1 takes no second pass, as in diffusers.
 */
export function cfg(denoise: Denoiser, { scale, negative, negativeDenoiser = denoise }: CfgOptions): Denoiser {
  if (!Number.isFinite(scale)) throw new SnoopiError(`cfg: the scale is ${scale}, expected a finite number.`);
  if (scale <= 1) return denoise;
  return (x, t, context, step) => {
    const away = negativeDenoiser(x, t, negative, step);
    return away.add(denoise(x, t, context, step).sub(away).mul(scale));
  };
}
