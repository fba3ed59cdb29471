import { add, div, exp, mul, sub, type Tensor, tensor } from "@snoopi/core";
import type { VaeConfig } from "../checkpoint/config-vae.ts";

// Converts between the VAE's latents and the UNet's, which have about unit variance.

/** A normal distribution over latents `[B, C, h, w]`. */
export interface Moments {
  readonly mean: Tensor;
  /** Logarithm of the variance. */
  readonly logvar: Tensor;
}

/** The part of a VAE's config that says how its latents are scaled. */
export type LatentScale = Pick<VaeConfig, "scalingFactor" | "shiftFactor"> & Partial<Pick<VaeConfig, "latentsMean" | "latentsStd">>;

/** `mean + exp(logvar / 2) · noise` */
export const sampleLatents = ({ mean, logvar }: Moments, noise: Tensor): Tensor => add(mean, mul(exp(div(logvar, 2)), noise));

/** The VAE's latents as the UNet takes them: `(z − shift) · scale`, or `(z − mean) / std · scale` per channel where a model has those. */
export function scaleLatents(z: Tensor, config: LatentScale): Tensor {
  const { shift, spread } = statistics(z, config);
  const centred = shift === null ? z : sub(z, shift);
  const scaled = mul(centred, config.scalingFactor);
  return spread === null ? scaled : div(scaled, spread);
}

/** The UNet's latents as the VAE decodes them: the inverse of {@link scaleLatents}. */
export function unscaleLatents(z: Tensor, config: LatentScale): Tensor {
  const { shift, spread } = statistics(z, config);
  const scaled = div(spread === null ? z : mul(z, spread), config.scalingFactor);
  return shift === null ? scaled : add(scaled, shift);
}

function statistics(z: Tensor, { shiftFactor, latentsMean, latentsStd }: LatentScale) {
  const perChannel = (values: readonly number[]) => tensor(Float32Array.from(values), { shape: [values.length, 1, 1], device: z.device });
  // diffusers' pipelines take mean and std together or not at all.
  if (latentsMean && latentsStd) return { shift: perChannel(latentsMean), spread: perChannel(latentsStd) };
  return { shift: shiftFactor === 0 ? null : shiftFactor, spread: null };
}
