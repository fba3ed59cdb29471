// What training takes beside gradients.
export { type Accumulator, accumulator } from "./accumulator.ts";
export { type AdamOptions, adam, adamw } from "./adam.ts";
export { clipFactor, clipGradNorm, globalNorm } from "./clip.ts";
export { type Ema, type EmaOptions, type EmaUpdateOptions, ema, emaDecay } from "./ema.ts";
export { allFinite, type LossScaler, type LossScalerOptions, lossScaler, requireFinite } from "./loss-scaler.ts";
export { type Optimizer, type OptimizerOptions, optimizer, type StepOptions } from "./optimizer.ts";
export type { Moving, Rule } from "./rule.ts";
export { loadState, type Parts, type Progress, type SavedState, saveState } from "./saved.ts";
export { lrAt, type Schedule } from "./schedule.ts";
export { type SgdOptions, sgd } from "./sgd.ts";
export type { PartState, Stateful } from "./state.ts";
