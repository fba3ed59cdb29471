import { SnoopiError } from "@snoopi/core";
import { betasOf, cumulativeAlphas } from "./betas.ts";
import { type CheckedConfig, checkConfig, type ScheduleConfig } from "./config.ts";

/** How much signal and noise x_t = α_t·x₀ + σ_t·ε holds at each training timestep. */
export interface NoiseSchedule {
  readonly config: CheckedConfig;
  /** ᾱ_t = α_t², one entry a training timestep, in f32. */
  readonly alphasCumprod: Float32Array;
  /** α_t = √ᾱ_t, in f32. */
  alpha(t: number): number;
  /** σ_t = √(1 − ᾱ_t), in f32. */
  sigma(t: number): number;
}

/**
 * The schedule a scheduler config describes. ᾱ equals diffusers' `alphas_cumprod` bit for bit, except after `rescaleBetasZeroSnr`:
 * there diffusers takes square roots that some PyTorch builds (those with MKL) do not round correctly, and ᾱ agrees within 1e-6.
 * The same roots make `alpha` and `sigma` differ from such builds in the last bit.
 *
 * @throws SnoopiError for an unknown or invalid config, and from `alpha` and `sigma` for a t that is not a timestep.
 */
export function noiseSchedule(config: ScheduleConfig): NoiseSchedule {
  const checked = checkConfig(config);
  const alphasCumprod = cumulativeAlphas(betasOf(checked));
  const at = (t: number) => {
    if (!Number.isInteger(t) || t < 0 || t >= alphasCumprod.length) {
      throw new SnoopiError(`noise schedule: there is no timestep ${t}. Pass a whole number from 0 to ${alphasCumprod.length - 1}.`);
    }
    return alphasCumprod[t];
  };
  return {
    config: checked,
    alphasCumprod,
    alpha: (t) => alphaOf(at(t)),
    sigma: (t) => sigmaOf(at(t)),
  };
}

/** α of ᾱ, in f32. */
export const alphaOf = (alphaCumprod: number): number => Math.fround(Math.sqrt(alphaCumprod));

/** σ of ᾱ, in f32. */
export const sigmaOf = (alphaCumprod: number): number => Math.fround(Math.sqrt(Math.fround(1 - alphaCumprod)));

/** The timestep a one-step generator is called at: the noisiest one the model was trained on. */
export const lastTimestep = (schedule: NoiseSchedule): number => schedule.alphasCumprod.length - 1;
