import { checkOptions, type NamesOf, SnoopiError, torchGenerator } from "@snoopi/core";
import { lastTimestep, type NoiseSchedule } from "../schedule/noise-schedule.ts";
import { checkSteps, lcmTimesteps, timesteps } from "../schedule/timesteps.ts";
import { type GuidancePlan, type GuidanceRequest, guidancePlan, guidanceRequestNames } from "./guidance-plan.ts";
import type { OpenModel } from "./open.ts";
import { type Sampler, type Sampling, samplers } from "./sampling.ts";

/** A picture to make. */
export interface Request extends GuidanceRequest {
  readonly prompt: string;
  /** Passes, and how several follow each other. Default: what the model is made for by its scheduler, see `samplingOf`. */
  readonly steps?: number;
  readonly sampler?: Sampler;
  /** The training timestep that one step's noise is for. Default: the model's own (400 for PixArt's published student), else the last. */
  readonly timestep?: number;
  /** Seed of PyTorch's CPU generator for the starting noise. Default 0. */
  readonly seed?: number | bigint;
  /** Pixels. Default the model's own size; any multiples of the VAE's factor. */
  readonly width?: number;
  readonly height?: number;
}

const requestNames: NamesOf<Request> = {
  prompt: true,
  ...guidanceRequestNames,
  steps: true,
  sampler: true,
  timestep: true,
  seed: true,
  width: true,
  height: true,
};

/** A request with everything decided. */
export interface Plan extends GuidancePlan, Sampling {
  readonly prompt: string;
  readonly seed: number | bigint;
  readonly width: number;
  readonly height: number;
}

/** Checks a request against a model and fills in what it leaves open. */
export function planOf(model: OpenModel, request: Request): Plan {
  const {
    prompt,
    steps = model.sampling.steps,
    sampler = model.sampling.sampler,
    seed = 0,
  } = checkOptions("generate", request, requestNames);
  if (typeof prompt !== "string") throw new SnoopiError(`generate: the prompt is ${JSON.stringify(prompt)}, expected a text.`);
  const timestep = timestepOf(model, { ...request, steps });
  const { width = model.size.width, height = model.size.height } = request;
  checkSampling(model.schedule, { steps, sampler });
  for (const [name, value] of [
    ["width", width],
    ["height", height],
  ] as const) {
    if (!Number.isInteger(value) || value < model.factor || value % model.factor !== 0) {
      const near = Math.max(model.factor, Math.round(value / model.factor) * model.factor) || model.size[name];
      throw new SnoopiError(`generate: the ${name} is ${value}, and this model makes multiples of ${model.factor}. Try ${near}.`);
    }
  }
  const guidance = guidancePlan(request, { ...model.sampling, steps, sampler });
  torchGenerator(seed); // Throws for what is no seed.
  return { prompt, steps, sampler, ...(timestep !== undefined && { timestep }), seed, width, height, ...guidance };
}

/** @throws SnoopiError for an unknown sampler, and for steps that it cannot take on this schedule. */
export function checkSampling(schedule: NoiseSchedule, { steps, sampler }: Pick<Sampling, "steps" | "sampler">): void {
  if (!samplers.includes(sampler))
    throw new SnoopiError(`generate: the sampler is ${JSON.stringify(sampler)}. Choose one of ${samplers.join(", ")}.`);
  checkSteps(schedule, steps);
  if (steps > 1 && sampler === "ddim") timesteps(schedule, steps);
  if (sampler === "lcm") lcmTimesteps(schedule, steps);
}

/**
 * The timestep that one step begins at: as asked for, or the model's own; undefined for the last timestep and for several steps.
 *
 * @throws SnoopiError for a timestep that the model does not have, or that is given for several steps.
 */
export function timestepOf(
  { schedule, sampling }: OpenModel,
  { steps, timestep = steps === 1 ? sampling.timestep : undefined }: { readonly steps: number; readonly timestep?: number },
): number | undefined {
  if (timestep === undefined) return undefined;
  const last = lastTimestep(schedule);
  if (steps !== 1)
    throw new SnoopiError(`generate: the timestep is ${timestep} and there are ${steps} steps. Only one step begins where it is told to.`);
  if (!Number.isInteger(timestep) || timestep < 0 || timestep > last)
    throw new SnoopiError(`generate: the timestep is ${timestep}, and this model has 0 to ${last}.`);
  return timestep;
}
