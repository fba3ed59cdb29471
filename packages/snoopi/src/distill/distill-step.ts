import type { Key, Shape, Tensor } from "@snoopi/core";
import type { UNetOptions } from "@snoopi/models";
import { type Distillation, loraTeacherOf } from "./distillation.ts";
import { checkDraws, disposeDraws, drawStep, type StepDraws } from "./draws.ts";
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

export type DistillStepOptions = StepRandomness & {
  readonly prompts: Prompts;
  readonly studentOptions?: UNetOptions;
  /** What else the student's picture is judged by: a scalar. */
  readonly also?: (x0: Tensor) => Tensor;
  /** Learning rates of this step. Default the optimisers'. */
  readonly lr?: { readonly student?: number; readonly lora?: number };
  readonly signal?: AbortSignal;
};

/** What a step came to. The LoRA teacher's updates are in order. */
export interface DistillStepResult {
  readonly student: Updated;
  readonly lora: readonly Updated[];
}

/**
 * One step of distillation (SNOOPI, Algorithm of PG-SB): the student moves by the guided difference of the teachers' scores, then the
 * LoRA teacher learns, `loraSteps` times, what ε is behind the noised pictures that the student made before it moved.
 *
 * @throws SnoopiError when a loss or gradient is not finite, before the network concerned has moved.
 */
export async function distillStep(distillation: Distillation, options: DistillStepOptions): Promise<DistillStepResult> {
  const { method } = distillation;
  const { prompts, lr, signal, studentOptions, also } = options;
  const loraTeacher = loraTeacherOf(distillation);
  const draws = drawsOf(distillation, options);
  const common = { maxNorm: method.maxNorm, ...(signal && { signal }) };
  let x0: Tensor | undefined;
  try {
    const {
      x0: made,
      told,
      ...learned
    } = studentGradients(distillation, {
      prompts,
      draws: draws.student,
      ...(studentOptions && { studentOptions }),
      ...(also && { also }),
    });
    x0 = made;
    for (const t of Object.values(told)) t.dispose();
    const student = await update(distillation.student, { ...common, ...learned, name: "student", ...rate(lr?.student) });
    const lora: Updated[] = [];
    for (const drawn of loraTeacher ? draws.lora : []) {
      const learned = loraGradients(distillation, { x0, text: loraText(prompts, drawn), draws: drawn });
      lora.push(await update(loraTeacher!, { ...common, ...learned, name: "LoRA teacher", ...rate(lr?.lora) }));
    }
    return { student, lora };
  } finally {
    x0?.dispose();
    if (!("draws" in options)) disposeDraws(draws);
  }
}

/** The draws of a step: those that are given, or new ones, which are the caller's to dispose of. */
export function drawsOf({ method, process, student }: Distillation, options: StepRandomness & { readonly prompts: Prompts }): StepDraws {
  if ("draws" in options) {
    checkDraws(options.draws, method);
    return options.draws;
  }
  const { device } = options.prompts.text.tokens;
  const drawing = { process, method, shape: options.shape, device };
  return drawStep(drawing, { keys: stepKeys(options.key), steps: student.timesteps?.length ?? 1 });
}

const rate = (lr: number | undefined) => (lr === undefined ? {} : { lr });
