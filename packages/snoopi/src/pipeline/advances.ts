import type { Tensor } from "@snoopi/core";
import type { Context } from "@snoopi/models";
import { type Denoiser, noiseAt } from "../denoiser.ts";
import { fewStepTimesteps } from "../distill/few-step.ts";
import { ddimSteps } from "../sampler/ddim.ts";
import { oneStep } from "../sampler/one-step.ts";
import type { NoiseSchedule } from "../schedule/noise-schedule.ts";
import type { Sampling } from "./sampling.ts";

export interface Advancing extends Sampling {
  readonly context: Context;
  /** Fresh noise `[B, C, h, w]` for step `i` ≥ 1 of `few-step`. Asked for in order. */
  readonly noise: (i: number) => Tensor;
}

/** What each step makes of x `[B, C, h, w]`, from noise to x₀: apply them in turn. */
export function advances(
  denoise: Denoiser,
  schedule: NoiseSchedule,
  { steps, sampler, timestep, context, noise }: Advancing,
): ((x: Tensor) => Tensor)[] {
  if (steps === 1) return [(x) => oneStep(denoise, schedule, x, context, timestep === undefined ? {} : { timestep })];
  if (sampler === "ddim") return ddimSteps(denoise, schedule, steps, context).map(({ advance }) => advance);
  const asked = fewStepTimesteps({ timesteps: schedule.config.numTrainTimesteps }, steps);
  return asked.map((t, i) => (x) => {
    const x0 = denoise(x, t, context, i);
    if (i === steps - 1) return x0;
    const { alpha, sigma } = noiseAt(schedule, asked[i + 1]);
    return x0.mul(alpha).add(noise(i + 1).mul(sigma));
  });
}
