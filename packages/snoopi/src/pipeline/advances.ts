import { add, keep, mul, noGrad, type RealizeOptions, realize, SnoopiError, scope, type Tensor } from "@snoopi/core";
import type { Context } from "@snoopi/models";
import { type Denoiser, noiseAt } from "../denoiser.ts";
import { fewStepTimesteps } from "../distill/few-step.ts";
import { ddimSteps } from "../sampler/ddim.ts";
import { dpmSolverSteps } from "../sampler/dpm-solver.ts";
import { oneStep } from "../sampler/one-step.ts";
import type { NoiseSchedule } from "../schedule/noise-schedule.ts";
import { lcmTimesteps } from "../schedule/timesteps.ts";
import type { Sampler, Sampling } from "./sampling.ts";

export interface Advancing extends Sampling {
  readonly context: Context;
  /** Fresh noise `[B, C, h, w]` for step `i` ≥ 1, where the sampler `renoises`. Asked for in order. */
  readonly noise?: (i: number) => Tensor;
}

/** x `[B, C, h, w]` and, for samplers that need it, x₀ of the step before. */
export type Advanced = readonly [x: Tensor, before?: Tensor];

/** One step, from the result of the one before. */
export type Advance = (now: Advanced) => Advanced;

/** The steps from noise to x₀: apply them in turn, the first to noise. */
export function advances(denoise: Denoiser, schedule: NoiseSchedule, { steps, sampler, timestep, ...how }: Advancing): Advance[] {
  if (steps === 1) return [([x]) => [oneStep(denoise, schedule, x, how.context, timestep === undefined ? {} : { timestep })]];
  return several[sampler](denoise, schedule, { steps, ...how });
}

/**
 * Computes a step and frees its input. The result belongs to no scope.
 *
 * @throws what computing throws, having freed everything.
 */
export async function take(advance: Advance, now: Advanced, options: RealizeOptions = {}): Promise<Advanced> {
  const all = (state: Advanced) => state.filter((t) => t !== undefined);
  let next: Advanced;
  try {
    next = noGrad(() => scope(() => advance(now)));
    for (const t of all(next)) keep(t);
  } finally {
    for (const t of all(now)) t.dispose();
  }
  try {
    await realize(all(next), options);
    return next;
  } catch (error) {
    for (const t of all(next)) t.dispose();
    throw error;
  }
}

type Several = (denoise: Denoiser, schedule: NoiseSchedule, how: Pick<Advancing, "steps" | "context" | "noise">) => Advance[];

const several: Readonly<Record<Sampler, Several>> = {
  ddim: (denoise, schedule, { steps, context }) =>
    ddimSteps(denoise, schedule, steps, context).map(
      ({ advance }): Advance =>
        ([x]) => [advance(x)],
    ),
  "dpm-solver": (denoise, schedule, { steps, context }) =>
    dpmSolverSteps(schedule, steps).map((step, i) => ([x, before]) => {
      const x0 = denoise(x, step.t, context, i);
      const moved = add(mul(x, step.x), mul(x0, step.now));
      return [before ? add(moved, mul(before, step.before)) : moved, x0];
    }),
  lcm: (denoise, schedule, how) => renoising(denoise, schedule, lcmTimesteps(schedule, how.steps), how),
  "few-step": (denoise, schedule, how) =>
    renoising(denoise, schedule, fewStepTimesteps({ timesteps: schedule.config.numTrainTimesteps }, how.steps), how),
};

function renoising(
  denoise: Denoiser,
  schedule: NoiseSchedule,
  asked: readonly number[],
  { context, noise }: Pick<Advancing, "context" | "noise">,
): Advance[] {
  return asked.map((t, i) => ([x]) => {
    const x0 = denoise(x, t, context, i);
    if (i === asked.length - 1) return [x0];
    if (!noise) throw new SnoopiError(`sampling: ${asked.length} steps take ${asked.length - 1} noises, and there are none.`);
    const { alpha, sigma } = noiseAt(schedule, asked[i + 1]);
    return [x0.mul(alpha).add(noise(i + 1).mul(sigma))];
  });
}
