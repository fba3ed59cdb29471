import type { Tensor } from "@snoopi/core";
import type { Context } from "@snoopi/models";
import type { Denoiser } from "../denoiser.ts";
import { lastTimestep, type NoiseSchedule } from "../schedule/noise-schedule.ts";

export interface OneStepOptions {
  /** The training timestep that the noise is taken for. Default the last; PixArt's one-step students begin at 400. */
  readonly timestep?: number;
}

/** One pass: noise `[B, C, h, w]` straight to x₀ (SNOOPI's f_θ(z, y)). */
export const oneStep = (
  denoise: Denoiser,
  schedule: NoiseSchedule,
  noise: Tensor,
  context: Context,
  { timestep = lastTimestep(schedule) }: OneStepOptions = {},
): Tensor => denoise(noise, timestep, context, 0);
