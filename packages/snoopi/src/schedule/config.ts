import { SnoopiError } from "@snoopi/core";

/** The fields of a `scheduler_config.json` that define a discrete noise schedule, under diffusers' names in camel case. */
export interface ScheduleConfig {
  readonly numTrainTimesteps: number;
  readonly betaStart: number;
  readonly betaEnd: number;
  /** One of {@link betaSchedules}. */
  readonly betaSchedule: string;
  /** The betas themselves; when given, `betaStart`, `betaEnd` and `betaSchedule` do not count. */
  readonly trainedBetas?: readonly number[] | null;
  readonly rescaleBetasZeroSnr: boolean;
  /** One of {@link predictionTypes}. */
  readonly predictionType: string;
  /** One of {@link timestepSpacings}. */
  readonly timestepSpacing: string;
  readonly stepsOffset: number;
  readonly setAlphaToOne: boolean;
  readonly clipSample: boolean;
  readonly clipSampleRange: number;
  readonly thresholding?: boolean;
}

const betaSchedules = ["linear", "scaled_linear", "squaredcos_cap_v2"] as const;
export const predictionTypes = ["epsilon", "v_prediction", "sample"] as const;
const timestepSpacings = ["leading", "trailing", "linspace"] as const;

export type BetaSchedule = (typeof betaSchedules)[number];
export type PredictionType = (typeof predictionTypes)[number];
export type TimestepSpacing = (typeof timestepSpacings)[number];

/** What diffusers' `DDIMScheduler` takes for every field a file leaves out. Other scheduler classes have other defaults. */
export const ddimDefaults: ScheduleConfig = {
  numTrainTimesteps: 1000,
  betaStart: 0.0001,
  betaEnd: 0.02,
  betaSchedule: "linear",
  rescaleBetasZeroSnr: false,
  predictionType: "epsilon",
  timestepSpacing: "leading",
  stepsOffset: 0,
  setAlphaToOne: true,
  clipSample: true,
  clipSampleRange: 1,
  thresholding: false,
};

/**
 * The config diffusers' `StableDiffusionPipeline` runs with, whatever its scheduler file says: `stepsOffset` 1 and no clipping.
 * SDXL's and PixArt's pipelines leave their config alone: apply this for `StableDiffusionPipeline` only.
 */
export const stableDiffusionConfig = (config: ScheduleConfig): ScheduleConfig => ({ ...config, stepsOffset: 1, clipSample: false });

/** A config whose names are known and whose numbers make sense. */
export interface CheckedConfig extends ScheduleConfig {
  readonly betaSchedule: BetaSchedule;
  readonly predictionType: PredictionType;
  readonly timestepSpacing: TimestepSpacing;
}

/** @throws SnoopiError naming the first invalid field, its value and what would be valid. */
export function checkConfig(config: ScheduleConfig): CheckedConfig {
  const betaSchedule = config.trainedBetas ? "linear" : known("beta_schedule", config.betaSchedule, betaSchedules);
  const predictionType = known("prediction_type", config.predictionType, predictionTypes);
  const timestepSpacing = known("timestep_spacing", config.timestepSpacing, timestepSpacings);
  const { numTrainTimesteps, stepsOffset, trainedBetas, clipSampleRange } = config;
  if (!Number.isInteger(numTrainTimesteps) || numTrainTimesteps < 1)
    bad("num_train_timesteps", numTrainTimesteps, "a whole number of at least 1");
  if (!Number.isInteger(stepsOffset) || stepsOffset < 0) bad("steps_offset", stepsOffset, "a whole number, 0 or more");
  if (config.clipSample && !(clipSampleRange > 0)) bad("clip_sample_range", clipSampleRange, "a number above 0");
  if (config.thresholding) bad("thresholding", true, "false: dynamic thresholding is made for pixels and not supported");
  if (trainedBetas) {
    if (trainedBetas.length !== numTrainTimesteps) {
      bad("trained_betas", `${trainedBetas.length} values`, `one for each of the ${numTrainTimesteps} training timesteps`);
    }
    for (const beta of trainedBetas) if (!(beta >= 0 && beta <= 1)) bad("trained_betas", beta, "numbers from 0 to 1");
  } else if (betaSchedule !== "squaredcos_cap_v2") {
    if (!(config.betaStart >= 0 && config.betaStart < 1)) bad("beta_start", config.betaStart, "a number from 0 to below 1");
    if (!(config.betaEnd >= 0 && config.betaEnd < 1)) bad("beta_end", config.betaEnd, "a number from 0 to below 1");
  }
  return { ...config, betaSchedule, predictionType, timestepSpacing };
}

function known<const T extends string>(field: string, value: string, names: readonly T[]): T {
  const found = names.find((name) => name === value);
  return found ?? bad(field, JSON.stringify(value), `one of ${names.join(", ")}`);
}

function bad(field: string, value: unknown, wanted: string): never {
  throw new SnoopiError(`scheduler config: ${field} is ${value}. It has to be ${wanted}.`);
}
