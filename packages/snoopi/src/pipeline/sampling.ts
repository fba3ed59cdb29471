import { SnoopiError } from "@snoopi/core";
import type { JsonObject } from "@snoopi/models";
import { lcmGrid } from "../schedule/timesteps.ts";

/**
 * How several passes follow each other: by DDIM, by DPM-Solver++(2M), or going to x₀ and back to fresh noise at each, at an LCM's timesteps
 * (`lcm`) or at evenly spaced ones, as a student of just so many steps was trained (`few-step`).
 */
export const samplers = ["ddim", "dpm-solver", "lcm", "few-step"] as const;
export type Sampler = (typeof samplers)[number];

/** Passes through the network, and how they follow each other. */
export interface Sampling {
  readonly steps: number;
  readonly sampler: Sampler;
  /** The training timestep that a single pass takes its noise for. Default the last. */
  readonly timestep?: number;
  /** κ of classifier-free guidance where it is used and nothing else is asked for. Default 7.5. */
  readonly guidance?: number;
}

/**
 * How a model draws unless it is told otherwise, by its scheduler_config.json. `LCMScheduler` is a student's, whose
 * `original_inference_steps` are the steps that it was trained for and `first_timestep` where a single one begins (`snoopi distill` writes it so),
 * or an LCM's, which has diffusers' default of them and takes 4; anything else takes 25 steps of DDIM.
 *
 * @throws SnoopiError for a number of steps or a timestep that is none.
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
 * Whether each pass goes all the way to a picture, as a student's do. Then a negative prompt is NASA's and there is no classifier-free guidance,
 * unless a request says otherwise.
 */
export const goesStraight = ({ steps, sampler }: Pick<Sampling, "steps" | "sampler">): boolean => steps === 1 || renoises(sampler);

/** Whether each step but the first takes fresh noise. */
export const renoises = (sampler: Sampler): boolean => sampler === "lcm" || sampler === "few-step";
