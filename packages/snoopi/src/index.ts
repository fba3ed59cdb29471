// Denoisers and samplers.
export { type Denoiser, denoiser, type DenoiserOptions, type Noise, noiseAt, noiseOf } from "./denoiser.ts";
export { ddimSteps, type Step } from "./sampler/ddim.ts";
export { oneStep } from "./sampler/one-step.ts";

// Guidance.
export { type CfgOptions, cfg } from "./guidance/cfg.ts";
export { type Nasa, nasa, type NasaOptions } from "./guidance/nasa.ts";

// Noise schedules.
export { ddimDefaults, type ScheduleConfig, stableDiffusionConfig } from "./schedule/config.ts";
export { type DdimCoefficients, ddimCoefficients, previousTimestep } from "./schedule/ddim.ts";
export { lastTimestep, type NoiseSchedule, noiseSchedule } from "./schedule/noise-schedule.ts";
export { timesteps } from "./schedule/timesteps.ts";

// Text to image.
export { decode, generate, type GenerateHooks, type Picture, sample, type Stage } from "./pipeline/generate.ts";
export { type LoadedModel, loadModel, type LoadModelOptions } from "./pipeline/load.ts";
export { type Network, type OpenModel, openModel } from "./pipeline/open.ts";
export { type Plan, planOf, type Request } from "./pipeline/request.ts";
export { decodePng, encodePng } from "./picture/png.ts";
