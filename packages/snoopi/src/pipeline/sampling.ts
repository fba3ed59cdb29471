import { SnoopiError } from "@snoopi/core";
import type { JsonObject } from "@snoopi/models";
import { lcmGrid } from "../schedule/timesteps.ts";

/**
 * How several passes follow each other: by DDIM, by DPM-Solver++(2M), or predicting x₀ and adding fresh noise at each, at an LCM's
 * timesteps (`lcm`) or at evenly spaced ones, as a student of exactly that many steps was trained (`few-step`).
 */
export const samplers = ["ddim", "dpm-solver", "lcm", "few-step"] as const;
export type Sampler = (typeof samplers)[number];

/** Passes through the network, and how they follow each other. */
export interface Sampling {
  readonly steps: number;
  readonly sampler: Sampler;
  /** The training timestep that a single pass takes its noise for. Default the last. */
  readonly timestep?: number;
  /** κ of classifier-free guidance, unless a request gives another. Default 7.5. */
  readonly guidance?: number;
}

/**
 * How a model draws by default, from its scheduler_config.json. An `LCMScheduler` is a student's (as `snoopi distill` writes it), with the
 * steps that it was trained for in `original_inference_steps` and, in `first_timestep`, where a single one begins; or it is an LCM's, with
 * diffusers' default of `original_inference_steps`, which takes 4 steps. Anything else takes 25 steps of DDIM.
 *
 * @throws SnoopiError for steps that are not a whole number of at least 1, and for a timestep that is not one of at least 0.
 */
export function samplingOf({ _class_name: name, original_inference_steps: steps = lcmGrid, first_timestep: first }: JsonObject): Sampling {
  if (name !== "LCMScheduler") return { steps: 25, sampler: "ddim" };
  if (!Number.isSafeInteger(steps) || (steps as number) < 1) {
    throw new SnoopiError(`scheduler: original_inference_steps is ${JSON.stringify(steps)}, expected a whole number of at least 1.`);
  }
  if (steps === lcmGrid) return { steps: 4, sampler: "lcm" };
  if (first === undefined) return { steps: steps as number, sampler: "few-step" };
  if (!Number.isSafeInteger(first) || (first as number) < 0)
    throw new SnoopiError(`scheduler: first_timestep is ${JSON.stringify(first)}, expected a whole number of at least 0.`);
  return { steps: steps as number, sampler: "few-step", timestep: first as number };
}

/**
 * Whether each pass goes all the way to a picture, as a student's do. Then, unless a request says otherwise, a negative prompt goes to NASA
 * and there is no classifier-free guidance.
 */
export const goesStraight = ({ steps, sampler }: Pick<Sampling, "steps" | "sampler">): boolean => steps === 1 || renoises(sampler);

/** Whether each step but the first takes fresh noise. */
export const renoises = (sampler: Sampler): boolean => sampler === "lcm" || sampler === "few-step";
