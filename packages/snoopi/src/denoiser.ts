import { SnoopiError, type Tensor } from "@snoopi/core";
import type { Attend, Context, UNet } from "@snoopi/models";
import type { Moment } from "./guidance/strength.ts";
import type { PredictionType } from "./schedule/config.ts";
import type { NoiseSchedule } from "./schedule/noise-schedule.ts";

/**
 * Predicts the picture behind a noisy one: `x_t [B, C, H, W]`, a training timestep and a text → x₀ `[B, C, H, W]`, in f32. `step` is the
 * sampler's step, from 0 on: guidance may depend on it.
 */
export type Denoiser = (x: Tensor, t: number, context: Context, step?: number) => Tensor;

/** α and σ of x_t = α·x₀ + σ·ε. */
export interface Noise {
  readonly alpha: number;
  readonly sigma: number;
}

/**
 * What a network's output says about x₀, for each thing it may have been trained to predict (Eq. A1 of SNOOPI for ε; Salimans & Ho
 * 2022 for v = α·ε − σ·x₀).
 */
const x0Of: Readonly<Record<PredictionType, (output: Tensor, x: Tensor, noise: Noise) => Tensor>> = {
  epsilon: (eps, x, { alpha, sigma }) => {
    if (alpha === 0) {
      throw new SnoopiError(
        "denoise: the schedule has no signal at this timestep (zero terminal SNR), so x₀ cannot be told from ε. Use a model that predicts v.",
      );
    }
    return x.sub(eps.mul(sigma)).div(alpha);
  },
  v_prediction: (v, x, { alpha, sigma }) => x.mul(alpha).sub(v.mul(sigma)),
  sample: (x0) => x0,
};

/** ε from x₀ at the same x_t. */
export const noiseOf = (x0: Tensor, x: Tensor, { alpha, sigma }: Noise): Tensor => x.sub(x0.mul(alpha)).div(sigma);

/** α_t and σ_t of a timestep: x_t = α_t·x₀ + σ_t·ε (Eq. 1). */
export const noiseAt = (schedule: NoiseSchedule, t: number): Noise => ({ alpha: schedule.alpha(t), sigma: schedule.sigma(t) });

export interface DenoiserOptions {
  /** What cross-attention does: plain unless a guidance method is given. */
  readonly attend?: Attend;
  /** What wraps that at each moment, such as `negativeGuidance`. */
  readonly guidance?: (attend: Attend | undefined, moment: Moment) => Attend;
}

/** A network seen as a denoiser, whatever it predicts. A network with twice the channels also predicts a variance: the first half counts. */
export function denoiser(network: UNet, schedule: NoiseSchedule, { attend, guidance }: DenoiserOptions = {}): Denoiser {
  const toX0 = x0Of[schedule.config.predictionType];
  return (x, t, context, step) => {
    const here = guidance ? guidance(attend, { timestep: t, ...(step !== undefined && { step }) }) : attend;
    const output = network(x, t, context, here ? { attend: here } : {});
    const channels = x.shape[1];
    const prediction = output.shape[1] === 2 * channels ? output.slice([null, [0, channels]]) : output;
    return toX0(prediction, x, noiseAt(schedule, t));
  };
}
