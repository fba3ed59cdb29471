// Denoisers and samplers.
export { type Denoiser, type DenoiserOptions, denoiser, type Noise, noiseAt, noiseOf } from "./denoiser.ts";
// Evaluation: figures from features.
export { clipScore, cosines, hpsScore } from "./eval/cosine.ts";
export { normalisedEntropy } from "./eval/entropy.ts";
export { type ExclusionMean, type ExclusionPair, exclusionRate, meanOverHarder, meanOverPairs } from "./eval/exclusion.ts";
export type { Features } from "./eval/features.ts";
export { frechetDistance } from "./eval/frechet.ts";
export {
  type ClipFeatureNetwork,
  type FeatureNetwork,
  type FeatureNetworkOptions,
  openFeatureNetwork,
} from "./eval/networks/feature-network.ts";
export { whatIsNeeded } from "./eval/networks/layout.ts";
export { type ClipFit, type ClipPictureOptions, forClip, forInception, type InceptionResize } from "./eval/networks/prepare.ts";
export { type ClipNetwork, type FeatureNetworkKind, type PublishedNetwork, publishedNetworks } from "./eval/networks/published.ts";
export { covariance, emptyMoments, type Moments, mergeMoments, momentsOf } from "./eval/moments.ts";
export { type PrecisionRecall, precisionRecall } from "./eval/precision-recall.ts";
export { type Spread, showSpread, spreadOf } from "./eval/spread.ts";
export type { Cell as EvalCell, Drawing, Truth } from "./eval/table/cell.ts";
export { type CellState, type EvaluateOptions, type Extractor, evaluate, type Painter } from "./eval/table/evaluate.ts";
export { type Course, curvesTable } from "./eval/table/curves.ts";
export { exclusionTable } from "./eval/table/exclusion-table.ts";
export { type Figures, figuresOf, type Reference } from "./eval/table/figures.ts";
export { type Floor, floorOf, isValid } from "./eval/table/floor.ts";
export { guidanceTable } from "./eval/table/guidance.ts";
export { judgeTable } from "./eval/table/judge-table.ts";
export { studentsTable } from "./eval/table/students.ts";
export type { Labelled, Report, Sweep, Table, TableOptions } from "./eval/table/table.ts";
export { emptyTally, mergeTallies, type Tally, tallyOf } from "./eval/table/tally.ts";
// Distillation.
export {
  type CapturedBatch,
  type CapturedDistillation,
  type CapturedDistillOptions,
  type CapturedStepOptions,
  captureDistillation,
} from "./distill/captured-step.ts";
export { clampedClipLoss, type DecayOptions, decayingWeight } from "./distill/clip-loss.ts";
export { type CotangentOptions, dmdCotangent, nanToZero, sdsCotangent, vsdCotangent } from "./distill/cotangent.ts";
export {
  type DistillBatch,
  type DistillStepOptions,
  type DistillStepResult,
  distillStep,
  type StepRandomness,
} from "./distill/distill-step.ts";
export type { Distillation } from "./distill/distillation.ts";
export {
  type DrawOptions,
  disposeDraws,
  drawLora,
  drawStep,
  drawStudent,
  type LoraDraws,
  type StepDraws,
  type StudentDraws,
} from "./distill/draws.ts";
export { backwardSimulation, type FewStepOptions, fewSteps, fewStepTimesteps } from "./distill/few-step.ts";
export { drawKappas, fixedKappa, type Kappa, type KappaSampler, type Kappas, meanKappa, table2, uniformKappa } from "./distill/kappa.ts";
export { loraTeacherLoss, type Teachers, teachersOf } from "./distill/lora-teacher.ts";
export { distillationLoss } from "./distill/loss.ts";
export { mergeStudents } from "./distill/merge.ts";
export { type DistillMethod, distillMethods } from "./distill/method.ts";
export { type Parameterization, type Prediction, parameterizations } from "./distill/parameterization.ts";
export { drawNegatives, pickNegatives } from "./distill/negatives.ts";
export { addNoise, type ForwardProcess, flowProcess, type Levels, levelsAt, processOf, type Times, timesAt } from "./distill/process.ts";
export {
  epsPredictor,
  type GuidedOptions,
  guidedScore,
  type Predictor,
  type PredictorOptions,
  x0Predictor,
} from "./distill/score.ts";
export { type LoraStepOptions, loraGradients, loraText, type StudentStepOptions, studentGradients } from "./distill/step-gradients.ts";
export { type LoraKeys, type StepKeys, stepKeys } from "./distill/step-keys.ts";
export { cotangentOf, type Prompts, type ScoreOptions, type StudentLossOptions, studentLoss } from "./distill/student-loss.ts";
export { drawTimesteps, type TimeRange, timeRanges } from "./distill/time-range.ts";
export { joined, recordUpdate, type Trained, type Updated, type UpdateOptions, update } from "./distill/update.ts";
export { type Weighed, type Weighting, type WeightingName, weightings } from "./distill/weighting.ts";
// Guidance.
export { type CfgOptions, cfg } from "./guidance/cfg.ts";
export { type Nasa, type NasaOptions, nasa } from "./guidance/nasa.ts";
export {
  type NegativeGuidance,
  type NegativeGuidanceOptions,
  type NegativeMethod,
  negativeGuidance,
  negativeMethods,
} from "./guidance/negative-guidance.ts";
export type { Moment, Strength } from "./guidance/strength.ts";
export { subtractText } from "./guidance/subtract-text.ts";
export { decodePng, encodePng } from "./picture/png.ts";
// Text to image.
export { type DTypeOf, type Estimate, estimate } from "./pipeline/estimate.ts";
export { decode, decodeImage, type GenerateHooks, generate, type Picture, type Stage, sample } from "./pipeline/generate.ts";
export { type BatchRequest, generateBatch } from "./pipeline/generate-batch.ts";
export { type GuidancePlan, type GuidanceRequest, guidanceNames } from "./pipeline/guidance-plan.ts";
export { type LoadedModel, type LoadModelOptions, loadModel } from "./pipeline/load.ts";
export { type EncodedTexts, encodeTexts } from "./pipeline/encode-texts.ts";
export { type OpenModel, openModel } from "./pipeline/open.ts";
export { type Plan, planOf, type Request } from "./pipeline/request.ts";
export { pixartShape } from "./pipeline/pixart.ts";
export type { EncodeIds, ModelShape, Network, TextNetwork } from "./pipeline/shape.ts";
export { modelShape } from "./pipeline/stable-diffusion.ts";
export { type Sampler, type Sampling, samplingOf } from "./pipeline/sampling.ts";
export { ddimSteps, type Step } from "./sampler/ddim.ts";
export { dpmSolverSteps, type SolverStep } from "./sampler/dpm-solver.ts";
export { oneStep } from "./sampler/one-step.ts";
// Reports: curves and tables.
export { dotChart, type Panel } from "./report/dot-chart.ts";
export { type LineChartOptions, lineChart, type Series } from "./report/line-chart.ts";
export { type Cell, markdownTable } from "./report/markdown-table.ts";
// Noise schedules.
export { ddimDefaults, type ScheduleConfig, stableDiffusionConfig } from "./schedule/config.ts";
export { type DdimCoefficients, ddimCoefficients, previousTimestep } from "./schedule/ddim.ts";
export { lastTimestep, type NoiseSchedule, noiseSchedule } from "./schedule/noise-schedule.ts";
export { timesteps } from "./schedule/timesteps.ts";
// Training from scratch.
export { type CaptionIds, type ClipStageOptions, clipStage } from "./train/clip.ts";
export { type ClipImageSizes, clipImage } from "./train/clip-image.ts";
export { clipModel } from "./train/clip-model.ts";
export { checkTrainConfig, type StageName, type TrainConfig, trainSchemas } from "./train/config.ts";
export { lossChart, type Row } from "./train/curve.ts";
export { firstNotFinite } from "./train/diagnose.ts";
export { checkDistillConfig, type DistillConfig, distillSchema, methodOf } from "./train/distill-config.ts";
export { clipDefaults, type Initialiser, initialised, layerDefaults } from "./train/initialise.ts";
export { type Packed, packed } from "./train/packed.ts";
export { type Rate, rateAt } from "./train/rate.ts";
export { type ConfigOf, type Field, readConfig, type Schema } from "./train/schema.ts";
export { contactSheet } from "./train/sheet.ts";
export type { Batch, Numbers, Stage as TrainingStage, Weights } from "./train/stage.ts";
export { type StepSettings, type Trainer, trainer } from "./train/step.ts";
export { type Assembled, type AssembleOptions, assemble } from "./train/student/assemble.ts";
export { type DistillCost, distillCost, encodingCost, regressionCost, type StepCost } from "./train/student/dry.ts";
export type { DistillSizes, MemoryPart } from "./train/student/dry-room.ts";
export { type DistillStepper, type DistillStepperOptions, distillStepper } from "./train/student/stepper.ts";
export { type TeacherStageOptions, teacherStage } from "./train/teacher.ts";
export { type VaeLoss, type VaeStageOptions, vaeStage } from "./train/vae.ts";
export { withNetwork } from "./train/weights.ts";
// Prompts from files, and their cached embeddings.
export {
  type CachedEmbeddings,
  type CachedEmbeddingsOptions,
  cachedEmbeddings,
  type EmbeddingRows,
  type EmbeddingStore,
  type FillEmbeddingsOptions,
  type FoundEmbeddings,
  fillEmbeddings,
} from "./prompts/cached-embeddings.ts";
export { joinedSource } from "./prompts/joined-source.ts";
export { listSource } from "./prompts/list-source.ts";
export { type PromptBatch, type PromptBatchesOptions, type PromptPosition, promptBatches } from "./prompts/prompt-batches.ts";
export {
  type BadPrompt,
  type BadReason,
  badReasons,
  cursorAfter,
  type PromptCursor,
  type PromptRow,
  type PromptSource,
  type PromptStream,
  type PromptSummary,
} from "./prompts/prompt-row.ts";
export { describeSkipped } from "./prompts/prompt-summary.ts";
// The tiny world: pictures of one shape, their captions, and a judge of them.
export {
  type AttributeName,
  type Attributes,
  attributeNames,
  attributeValues,
  type Constraint,
  satisfies,
} from "./world/attributes.ts";
export { captionIndex, captionOf, captions, constraints, type Example, parseCaption, sampleExample } from "./world/caption.ts";
export { type Judgement, judge } from "./world/judge.ts";
export { render, renderBatch } from "./world/render.ts";
export { type Geometry, pictureSize, type Scene, sampleScene } from "./world/scene.ts";
export { promptLength, type Vocabulary, worldVocabulary } from "./world/vocabulary.ts";
