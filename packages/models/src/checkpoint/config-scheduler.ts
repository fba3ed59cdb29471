import { SnoopiError } from "@snoopi/core";
import { configFields, type ParsedConfig } from "./config-fields.ts";
import type { JsonObject } from "./folder.ts";

export type BetaSchedule = "linear" | "scaled_linear" | "squaredcos_cap_v2";
export type TimestepSpacing = "leading" | "trailing" | "linspace";
export type PredictionType = "epsilon" | "v_prediction" | "sample";

/** What scheduler_config.json says: the noise schedule the model was trained with, and how steps are placed. */
export interface SchedulerConfig extends ParsedConfig {
  /** The class the file names. */
  readonly className: string;
  readonly numTrainTimesteps: number;
  readonly betaStart: number;
  readonly betaEnd: number;
  readonly betaSchedule: BetaSchedule;
  /** If given, these betas replace the schedule. */
  readonly trainedBetas: readonly number[] | null;
  readonly predictionType: PredictionType;
  readonly rescaleBetasZeroSnr: boolean;
  readonly timestepSpacing: TimestepSpacing;
  readonly stepsOffset: number;
  readonly setAlphaToOne: boolean;
  readonly clipSample: boolean;
  readonly clipSampleRange: number;
}

interface Defaults {
  readonly betas: readonly [start: number, end: number, schedule: BetaSchedule];
  readonly spacing: TimestepSpacing;
  readonly setAlphaToOne: boolean;
  readonly clipSample: boolean;
}

const usual: Defaults = { betas: [1e-4, 0.02, "linear"], spacing: "leading", setAlphaToOne: true, clipSample: false };
const linspace: Defaults = { ...usual, spacing: "linspace" };
const heun: Defaults = { ...linspace, betas: [8.5e-4, 0.012, "linear"] };
const consistency: Defaults = { ...usual, betas: [8.5e-4, 0.012, "scaled_linear"] };

/** diffusers' defaults of the keys a file may omit, for each scheduler of models that predict ε, v or x₀. */
const schedulers: Readonly<Record<string, Defaults>> = {
  DDIMScheduler: { ...usual, clipSample: true },
  DDIMParallelScheduler: { ...usual, clipSample: true },
  DDPMScheduler: { ...usual, clipSample: true },
  DDPMParallelScheduler: { ...usual, clipSample: true },
  PNDMScheduler: { ...usual, setAlphaToOne: false },
  EulerDiscreteScheduler: linspace,
  EulerAncestralDiscreteScheduler: linspace,
  LMSDiscreteScheduler: linspace,
  DPMSolverMultistepScheduler: linspace,
  DPMSolverSinglestepScheduler: linspace,
  UniPCMultistepScheduler: linspace,
  DEISMultistepScheduler: linspace,
  HeunDiscreteScheduler: heun,
  KDPM2DiscreteScheduler: heun,
  KDPM2AncestralDiscreteScheduler: heun,
  DPMSolverSDEScheduler: heun,
  LCMScheduler: consistency,
  TCDScheduler: consistency,
};

/** Settings of other solvers: they change nothing in the schedule, and nothing in how we step. */
const ofOtherSolvers =
  "skip_prk_steps algorithm_type solver_type solver_order lower_order_final euler_at_final final_sigmas_type interpolation_type " +
  "use_karras_sigmas use_exponential_sigmas use_beta_sigmas use_lu_lambdas lambda_min_clipped variance_type sigma_min sigma_max " +
  "timestep_type original_inference_steps first_timestep timestep_scaling predict_x0 disable_corrector solver_p dynamic_thresholding_ratio " +
  "sample_max_value noise_sampler_seed use_flow_sigmas flow_shift";

/**
 * Parses and checks scheduler_config.json. Omitted keys take the defaults of the class that the file names; those that place steps
 * (spacing, offset, last alpha, clipping) take the defaults of `as` when given, which is what diffusers' `from_config` does when one
 * scheduler is made from another's config.
 */
export function schedulerConfig(json: JsonObject, options: { as?: "DDIMScheduler" | "DDPMScheduler" } = {}): SchedulerConfig {
  const className = json._class_name ?? options.as ?? "DDIMScheduler";
  const trained = typeof className === "string" && Object.hasOwn(schedulers, className) ? schedulers[className] : undefined;
  if (typeof className !== "string" || trained === undefined) {
    throw new SnoopiError(
      `scheduler: _class_name is ${JSON.stringify(className)}, only the noise schedules of ${Object.keys(schedulers).join(", ")} are known.`,
    );
  }
  const stepping = options.as === undefined ? trained : schedulers[options.as];
  const fields = configFields("scheduler", json);
  fields.only({ thresholding: false, use_flow_sigmas: false });
  const [start, end, schedule] = trained.betas;
  const config: Omit<SchedulerConfig, "ignored"> = {
    className,
    numTrainTimesteps: fields.count("num_train_timesteps", 1000),
    betaStart: fields.number("beta_start", start),
    betaEnd: fields.number("beta_end", end),
    betaSchedule: fields.choice("beta_schedule", schedule, ["linear", "scaled_linear", "squaredcos_cap_v2"]),
    trainedBetas: fields.maybeNumbers("trained_betas"),
    predictionType: fields.choice("prediction_type", "epsilon", ["epsilon", "v_prediction", "sample"]),
    rescaleBetasZeroSnr: fields.bool("rescale_betas_zero_snr", false),
    timestepSpacing: fields.choice("timestep_spacing", stepping.spacing, ["leading", "trailing", "linspace"]),
    stepsOffset: fields.number("steps_offset", 0),
    setAlphaToOne: fields.bool("set_alpha_to_one", stepping.setAlphaToOne),
    clipSample: fields.bool("clip_sample", stepping.clipSample),
    clipSampleRange: fields.number("clip_sample_range", 1),
  };
  fields.skip(ofOtherSolvers.split(" "));
  for (const [key, beta] of [
    ["beta_start", config.betaStart],
    ["beta_end", config.betaEnd],
  ] as const) {
    if (!(beta > 0 && beta < 1)) fields.refuse(key, "expected a number between 0 and 1");
  }
  if (config.trainedBetas !== null && config.trainedBetas.length !== config.numTrainTimesteps) {
    throw new SnoopiError(
      `scheduler: trained_betas has ${config.trainedBetas.length} numbers for num_train_timesteps ${config.numTrainTimesteps}. They must agree.`,
    );
  }
  // diffusers takes any. 0 is a step without noise, and a schedule of zero terminal SNR ends in 1.
  const outside = config.trainedBetas?.find((beta) => !(beta >= 0 && beta <= 1));
  if (outside !== undefined) throw new SnoopiError(`scheduler: trained_betas holds ${outside}, expected numbers from 0 to 1.`);
  return { ...config, ignored: fields.ignored() };
}
