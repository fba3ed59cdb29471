import { add, cast, isTensor, mul, SnoopiError, sub, type Tensor } from "@snoopi/core";
import type { Context, UNet, UNetOptions } from "@snoopi/models";
import { type Prediction, parameterizations } from "./parameterization.ts";
import { type ForwardProcess, levelsAt, perSample, type Times } from "./process.ts";

/** Runs a network on x_t `[B, C, H, W]` at each sample's timestep, or times as tensors → ε or x₀ `[B, C, H, W]` in f32. */
export type Predictor = (x: Tensor, t: readonly number[] | Times, context: Context, options?: UNetOptions) => Tensor;

export interface PredictorOptions {
  readonly process: ForwardProcess;
  /** What the network was trained to predict. */
  readonly prediction: Prediction;
}

/** ε by a network of any parameterisation. A network with twice the channels also predicts a variance: the first half counts. */
export const epsPredictor = (network: UNet, options: PredictorOptions): Predictor => predictor(network, { ...options, wanted: "eps" });

/**
 * x₀ by a network of any parameterisation; at the process's last timestep, from noise, SNOOPI's one-step generator f_θ(z, y) (Eq. A1).
 * @throws SnoopiError for a network that predicts ε at a timestep, given as a number, where α is 0.
 */
export const x0Predictor = (network: UNet, options: PredictorOptions): Predictor => predictor(network, { ...options, wanted: "x0" });

function predictor(network: UNet, { process, prediction, wanted }: PredictorOptions & { readonly wanted: "eps" | "x0" }): Predictor {
  const to = parameterizations[prediction][wanted];
  return (x, t, context, options = {}) => {
    const times = "fed" in t;
    const count = times ? t.fed.shape[0] : t.length;
    if (count !== x.shape[0]) throw new SnoopiError(`score: there are ${count} timesteps for ${x.shape[0]} samples. Give one each.`);
    if (prediction === "epsilon" && wanted === "x0" && !times && t.some((one) => process.alpha(one) === 0)) {
      throw new SnoopiError("score: x₀ cannot be told from ε where the process has no signal (α = 0). Use a model that predicts v.");
    }
    const output = network(x, times ? t.fed : t.map(process.fed), context, options);
    const channels = x.shape[1];
    const own = output.shape[1] === 2 * channels ? output.slice([null, [0, channels]]) : output;
    return to(cast(own, "f32"), cast(x, "f32"), times ? t : levelsAt(process, t, x.device));
  };
}

export interface GuidedOptions {
  readonly t: readonly number[] | Times;
  readonly text: Context;
  /** What is steered away from: the encoded empty text (Eq. 4), or a negative prompt (Eq. 5, NASA-T's teacher). */
  readonly away: Context;
  /** κ of each sample: numbers, or a tensor `[B, 1, 1, 1]`. */
  readonly kappa: ArrayLike<number> | Tensor;
}

/**
 * Classifier-free guidance with a κ for each sample: `(1 − κ)·away + κ·text` (SNOOPI Eq. 4 and 5), κ = 1 being no guidance. If all
 * are the number 1, there is one pass, without `away`.
 */
export function guidedScore(predict: Predictor, x: Tensor, { t, text, away, kappa }: GuidedOptions): Tensor {
  const count = isTensor(kappa) ? kappa.shape[0] : kappa.length;
  if (count !== x.shape[0]) throw new SnoopiError(`score: there are ${count} κ for ${x.shape[0]} samples. Give one each.`);
  const towards = predict(x, t, text);
  if (!isTensor(kappa) && Array.from(kappa).every((k) => k === 1)) return towards;
  const from = predict(x, t, away);
  return add(from, mul(sub(towards, from), isTensor(kappa) ? kappa : perSample(kappa, x.device)));
}
