import { isTensor, noGrad, stopGradient, type Tensor } from "@snoopi/core";
import type { Context, UNetOptions } from "@snoopi/models";
import { sdsCotangent, vsdCotangent } from "./cotangent.ts";
import type { StudentDraws } from "./draws.ts";
import { fewSteps } from "./few-step.ts";
import { distillationLoss } from "./loss.ts";
import type { DistillMethod } from "./method.ts";
import { addNoise, type ForwardProcess } from "./process.ts";
import { guidedScore, type Predictor } from "./score.ts";

/** The encoded prompts of a batch. Contexts are `[1 or B, L, D]`. */
export interface Prompts {
  readonly text: Context;
  /** The encoded empty text. */
  readonly nullText: Context;
  /** A negative prompt in place of the null text for the frozen teacher alone (Eq. 5): NASA-T. */
  readonly negative?: Context;
}

export interface ScoreOptions {
  readonly method: DistillMethod;
  /** ε of the frozen teacher ψ. */
  readonly teacher: Predictor;
  /** ε of the LoRA teacher π. */
  readonly lora: Predictor;
  readonly prompts: Prompts;
  readonly draws: Pick<StudentDraws, "times" | "noise" | "kappa">;
}

/**
 * The cotangent g of a student's picture x̂₀ `[B, C, H, W]` (SNOOPI Eq. 6, Eq. 7 or SDS, as the method says): the weighted difference of
 * both teachers' guided scores at x̂_t. No gradient flows through it.
 */
export function cotangentOf(x0: Tensor, { method, teacher, lora, prompts, draws: { times: t, noise, kappa } }: ScoreOptions): Tensor {
  return noGrad(() => {
    const xt = addNoise(x0, noise, t);
    const { text, nullText, negative = nullText } = prompts;
    const unguided = new Array<number>(x0.shape[0]).fill(1);
    const guided = guidedScore(teacher, xt, { t, text, away: negative, kappa: kappa.teacher ?? unguided });
    const common = { x0, xt, teacher: guided, weighting: method.weighting, alpha: t.alpha, sigma: t.sigma };
    if (method.against === "sds") return sdsCotangent({ ...common, noise });
    return vsdCotangent({ ...common, lora: guidedScore(lora, xt, { t, text, away: nullText, kappa: kappa.lora ?? unguided }) });
  });
}

export interface StudentLossOptions extends ScoreOptions {
  readonly process: ForwardProcess;
  /** The student f_θ: x₀ from noise. */
  readonly student: Predictor;
  /** The timesteps it runs at: one, or several in descending order. */
  readonly timesteps: readonly number[];
  readonly draws: StudentDraws;
  /** How the student runs: with guidance inside its attention for NASA-T. */
  readonly studentOptions?: UNetOptions;
  /** A further loss on the student's picture, such as a weighted CLIP loss. */
  readonly also?: (x0: Tensor) => Tensor | Judged;
}

/** A scalar to add to the loss, and scalars to report beside it. */
export type Judged = { readonly loss: Tensor } & Readonly<Record<string, Tensor>>;

/**
 * The student's loss, whose gradient is that of Eq. 6 or 7 and of `also`, and the picture it made, detached. `told` are scalars:
 * `difference`, that is ½·mean(g²), and the figures of `also`.
 */
export function studentLoss(settings: StudentLossOptions): {
  readonly loss: Tensor;
  readonly x0: Tensor;
  readonly told: Readonly<Record<string, Tensor>>;
} {
  const { process, student, timesteps, draws, prompts, studentOptions: options = {}, also } = settings;
  const x0 = fewSteps(student, { process, timesteps, noises: draws.latents, text: prompts.text, options });
  const difference = distillationLoss(x0, cotangentOf(x0, settings));
  const judged = also?.(x0);
  const { loss: others, ...parts } = isTensor(judged) ? { loss: judged } : (judged ?? {});
  return { loss: others ? difference.add(others) : difference, x0: stopGradient(x0), told: { difference, ...parts } };
}
