import { noGrad, normal, stopGradient, type Tensor } from "@snoopi/core";
import type { Context, UNetOptions } from "@snoopi/models";
import { sdsCotangent, vsdCotangent } from "./cotangent.ts";
import { drawKappas } from "./kappa.ts";
import { distillationLoss } from "./loss.ts";
import type { DistillMethod } from "./method.ts";
import { addNoise, type ForwardProcess, levelsAt } from "./process.ts";
import { guidedScore, type Predictor } from "./score.ts";
import type { StepKeys } from "./step-keys.ts";
import { drawTimesteps } from "./time-range.ts";

/** What a batch is about. Contexts are `[1 or B, L, D]`. */
export interface Prompts {
  readonly text: Context;
  /** The encoded empty text. */
  readonly nullText: Context;
  /** A negative prompt in place of the null text for the frozen teacher alone (Eq. 5): NASA-T. */
  readonly negative?: Context;
}

export interface ScoreOptions {
  readonly process: ForwardProcess;
  readonly method: DistillMethod;
  /** ε of the frozen teacher ψ. */
  readonly teacher: Predictor;
  /** ε of the LoRA teacher π. */
  readonly lora: Predictor;
  readonly prompts: Prompts;
  readonly keys: Pick<StepKeys, "timesteps" | "noise" | "kappa">;
}

/**
 * The cotangent g of a student's picture x̂₀ `[B, C, H, W]` (SNOOPI Eq. 6, Eq. 7 or SDS, as the method says): draws t, ε and κ, asks both
 * teachers about x̂_t, guides both and weighs the difference. No gradient flows through it.
 */
export function cotangentOf(x0: Tensor, { process, method, teacher, lora, prompts, keys }: ScoreOptions): Tensor {
  return noGrad(() => {
    const [batch] = x0.shape;
    const t = drawTimesteps(method.studentRange, { batch, key: keys.timesteps });
    const kappas = drawKappas(method.kappa, { batch, key: keys.kappa });
    const noise = normal(x0.shape, { key: keys.noise, device: x0.device });
    const levels = levelsAt(process, t, x0.device);
    const xt = addNoise(x0, noise, levels);
    const { text, nullText, negative = nullText } = prompts;
    const guided = guidedScore(teacher, xt, { t, text, away: negative, kappa: kappas.teacher });
    const common = { x0, xt, teacher: guided, weighting: method.weighting, ...levels };
    if (method.against === "sds") return sdsCotangent({ ...common, noise });
    return vsdCotangent({ ...common, lora: guidedScore(lora, xt, { t, text, away: nullText, kappa: kappas.lora }) });
  });
}

export interface StudentLossOptions extends ScoreOptions {
  /** The student f_θ: x₀ from noise. */
  readonly student: Predictor;
  /** The timestep it is asked at. */
  readonly timestep: number;
  /** Starting noise `[B, C, H, W]`. */
  readonly latents: Tensor;
  /** How the student runs: guidance inside its attention, as NASA-T has it. */
  readonly studentOptions?: UNetOptions;
  /** What else the picture is judged by, such as a weighted CLIP loss: a scalar. */
  readonly also?: (x0: Tensor) => Tensor;
}

/** The student's loss and, detached, the picture it made. Its gradient is that of Eq. 6 or 7, and of `also`. */
export function studentLoss(options: StudentLossOptions): { readonly loss: Tensor; readonly x0: Tensor } {
  const { student, timestep, latents, prompts, studentOptions = {}, also } = options;
  const x0 = student(latents, new Array<number>(latents.shape[0]).fill(timestep), prompts.text, studentOptions);
  const loss = distillationLoss(x0, cotangentOf(x0, options));
  return { loss: also ? loss.add(also(x0)) : loss, x0: stopGradient(x0) };
}
