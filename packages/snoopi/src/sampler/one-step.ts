import type { Tensor } from "@snoopi/core";
import type { Context } from "@snoopi/models";
import type { Denoiser } from "../denoiser.ts";
import { lastTimestep, type NoiseSchedule } from "../schedule/noise-schedule.ts";

/** One pass: noise `[B, C, h, w]` straight to x₀, at the last training timestep (SNOOPI's f_θ(z, y)). */
export const oneStep = (denoise: Denoiser, schedule: NoiseSchedule, noise: Tensor, context: Context): Tensor =>
  denoise(noise, lastTimestep(schedule), context, 0);
