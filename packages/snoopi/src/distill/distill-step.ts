import type { Key, Shape, Tensor } from "@snoopi/core";
import type { UNetOptions } from "@snoopi/models";
import { type Distillation, loraTeacherOf } from "./distillation.ts";
import { checkDraws, disposeDraws, drawStep, type StepDraws } from "./draws.ts";
import { meanOver } from "./mean-over.ts";
import { loraGradients, loraText, studentGradients } from "./step-gradients.ts";
import { stepKeys } from "./step-keys.ts";
import type { Prompts } from "./student-loss.ts";
import { type Updated, update } from "./update.ts";

/** Where the random numbers of a step come from: a key, or draws that are given. */
export type StepRandomness =
  | {
      readonly key: Key;
      /** Of the latents: `[B, C, h, w]`. */
      readonly shape: Shape;
    }
  | { readonly draws: StepDraws };

/** What a step learns from. */
export type DistillBatch = StepRandomness & {
  readonly prompts: Prompts;
  /** A further loss on the student's picture: a scalar. */
  readonly also?: (x0: Tensor) => Tensor;
};

export type DistillStepOptions = DistillBatch & {
  /** Further batches. Loss and gradients are means over all of them; they run one after another, so memory is that of one. */
  readonly more?: readonly DistillBatch[];
  readonly studentOptions?: UNetOptions;
  /** Learning rates of this step. Default the optimisers'. */
  readonly lr?: { readonly student?: number; readonly lora?: number };
  readonly signal?: AbortSignal;
};

/** The result of a step. The LoRA teacher's updates are in order. */
export interface DistillStepResult {
  readonly student: Updated;
  readonly lora: readonly Updated[];
}

/**
 * One step of distillation (SNOOPI, Algorithm of PG-SB): the student moves by the guided difference of the teachers' scores, then the
 * LoRA teacher learns, `loraSteps` times, to predict ε in the noised pictures that the student made before it moved.
 *
 * @throws SnoopiError when a loss or gradient is not finite, before the network concerned has moved.
 */
export async function distillStep(distillation: Distillation, options: DistillStepOptions): Promise<DistillStepResult> {
  const { method } = distillation;
  const { lr, signal, studentOptions, more = [] } = options;
  const loraTeacher = loraTeacherOf(distillation);
  const given: readonly DistillBatch[] = [options, ...more];
  const draws = drawsOf(distillation, given);
  const batches = given.map(({ prompts, also }, i) => ({ prompts, also, draws: draws[i] }));
  const common = { maxNorm: method.maxNorm, ...(signal && { signal }) };
  const pictures: Tensor[] = [];
  try {
    const learned = meanOver(batches, ({ prompts, draws, also }) => {
      const { loss, gradients, x0, told } = studentGradients(distillation, {
        prompts,
        draws: draws.student,
        ...(studentOptions && { studentOptions }),
        ...(also && { also }),
      });
      pictures.push(x0);
      for (const t of Object.values(told)) t.dispose();
      return { loss, gradients };
    });
    const student = await update(distillation.student, { ...common, ...learned, name: "student", ...rate(lr?.student) });
    const lora: Updated[] = [];
    for (let i = 0; loraTeacher && i < method.loraSteps; i++) {
      const seen = batches.map(({ prompts, draws: { lora } }, b) => ({
        x0: pictures[b],
        text: loraText(prompts, lora[i]),
        draws: lora[i],
      }));
      const learned = meanOver(seen, (one) => loraGradients(distillation, one));
      lora.push(await update(loraTeacher, { ...common, ...learned, name: "LoRA teacher", ...rate(lr?.lora) }));
    }
    return { student, lora };
  } finally {
    for (const x0 of pictures) x0.dispose();
    disposeDrawn(draws, given);
  }
}

/**
 * The draws of a step's batches: those given, or new ones, which the caller disposes of. Which step of a multi-step student learns is drawn
 * by the first batch for all, as for one large batch, so that one program for each such step is enough.
 */
export function drawsOf(
  { method, process, student }: Distillation,
  batches: readonly (StepRandomness & { readonly prompts: Prompts })[],
): readonly StepDraws[] {
  for (const batch of batches) if ("draws" in batch) checkDraws(batch.draws, method);
  const [step] = batches.flatMap((batch) => ("draws" in batch ? [] : [stepKeys(batch.key).step]));
  return batches.map((batch) => {
    if ("draws" in batch) return batch.draws;
    const { device } = batch.prompts.text.tokens;
    const keys = { ...stepKeys(batch.key), step };
    return drawStep({ process, method, shape: batch.shape, device }, { keys, steps: student.timesteps?.length ?? 1 });
  });
}

/** Disposes of draws that were not given. */
export function disposeDrawn(draws: readonly StepDraws[], batches: readonly StepRandomness[]): void {
  batches.forEach((batch, i) => {
    if (!("draws" in batch)) disposeDraws(draws[i]);
  });
}

const rate = (lr: number | undefined) => (lr === undefined ? {} : { lr });
