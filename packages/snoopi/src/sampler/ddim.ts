import { clamp, type Tensor } from "@snoopi/core";
import type { Context } from "@snoopi/models";
import { type Denoiser, noiseOf } from "../denoiser.ts";
import { ddimCoefficients, previousTimestep } from "../schedule/ddim.ts";
import type { NoiseSchedule } from "../schedule/noise-schedule.ts";
import { timesteps } from "../schedule/timesteps.ts";

/** One step of a sampler: where it starts and what it makes of x_t. */
export interface Step {
  readonly t: number;
  readonly advance: (x: Tensor) => Tensor;
}

/**
 * The deterministic DDIM steps of diffusers (η = 0), noisiest first: x' = α'·x₀ + σ'·ε. Where the schedule clips samples, x₀ is
 * clipped and ε is not. Apply them in turn to noise `[B, C, h, w]`.
 */
export function ddimSteps(denoise: Denoiser, schedule: NoiseSchedule, steps: number, context: Context): Step[] {
  const { clipSample, clipSampleRange } = schedule.config;
  return timesteps(schedule, steps).map((t, i) => ({
    t,
    advance(x) {
      const { alphaT, sigmaT, alphaPrev, sigmaPrev } = ddimCoefficients(schedule, t, previousTimestep(schedule, t, steps));
      const x0 = denoise(x, t, context, i);
      const kept = (clipSample ? clamp(x0, -clipSampleRange, clipSampleRange) : x0).mul(alphaPrev);
      // Where no noise is left, x_t may have held none either (β₀ = 0), and ε would be 0/0.
      return sigmaPrev === 0 ? kept : kept.add(noiseOf(x0, x, { alpha: alphaT, sigma: sigmaT }).mul(sigmaPrev));
    },
  }));
}
