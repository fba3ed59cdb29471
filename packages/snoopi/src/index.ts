// Denoisers and samplers.
export { type Denoiser, type DenoiserOptions, denoiser, type Noise, noiseAt, noiseOf } from "./denoiser.ts";
// Guidance.
export { type CfgOptions, cfg } from "./guidance/cfg.ts";
export { type Nasa, type NasaOptions, nasa } from "./guidance/nasa.ts";
export { decodePng, encodePng } from "./picture/png.ts";
// Text to image.
export { type DTypeOf, type Estimate, estimate } from "./pipeline/estimate.ts";
export { decode, decodeImage, type GenerateHooks, generate, type Picture, type Stage, sample } from "./pipeline/generate.ts";
export { type LoadedModel, type LoadModelOptions, loadModel } from "./pipeline/load.ts";
export { type ModelShape, modelShape, type Network, type OpenModel, openModel } from "./pipeline/open.ts";
export { type Plan, planOf, type Request } from "./pipeline/request.ts";
export { ddimSteps, type Step } from "./sampler/ddim.ts";
export { oneStep } from "./sampler/one-step.ts";
// Noise schedules.
export { ddimDefaults, type ScheduleConfig, stableDiffusionConfig } from "./schedule/config.ts";
export { type DdimCoefficients, ddimCoefficients, previousTimestep } from "./schedule/ddim.ts";
export { lastTimestep, type NoiseSchedule, noiseSchedule } from "./schedule/noise-schedule.ts";
export { timesteps } from "./schedule/timesteps.ts";
