import { type Key, keep, normal, type Shape, SnoopiError, type Tensor, valueAndGradients } from "@snoopi/core";
import type { UNet, UNetOptions } from "@snoopi/models";
import { loraTeacherLoss, type Teachers, textOrNull } from "./lora-teacher.ts";
import type { DistillMethod } from "./method.ts";
import type { Prediction } from "./parameterization.ts";
import { addNoise, type ForwardProcess, levelsAt } from "./process.ts";
import { epsPredictor, x0Predictor } from "./score.ts";
import { type LoraKeys, stepKeys } from "./step-keys.ts";
import { type Prompts, studentLoss } from "./student-loss.ts";
import { drawTimesteps } from "./time-range.ts";
import { type Trained, type Updated, update } from "./update.ts";

/** All that a distillation works with. */
export interface Distillation {
  readonly method: DistillMethod;
  readonly process: ForwardProcess;
  readonly student: Trained & {
    readonly network: UNet;
    readonly prediction: Prediction;
    /** What it is asked at. Default the process's last timestep; DMD's PixArt has 400. */
    readonly timestep?: number;
  };
  readonly teachers: Teachers & { readonly prediction: Prediction };
  /** The adapter of the LoRA teacher. SDS needs none. */
  readonly loraTeacher?: Trained;
}

export interface DistillStepOptions {
  readonly prompts: Prompts;
  /** Of the latents: `[B, C, h, w]`. */
  readonly shape: Shape;
  /** All randomness of the step comes from it. */
  readonly key: Key;
  readonly studentOptions?: UNetOptions;
  /** What else the student's picture is judged by: a scalar. */
  readonly also?: (x0: Tensor) => Tensor;
  /** Learning rates of this step. Default the optimisers'. */
  readonly lr?: { readonly student?: number; readonly lora?: number };
  readonly signal?: AbortSignal;
}

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
  const { method, loraTeacher } = distillation;
  if (method.loraSteps > 0 && !loraTeacher) {
    throw new SnoopiError(`distill: the method has ${method.loraSteps} updates of a LoRA teacher and there is none. Pass loraTeacher.`);
  }
  const keys = stepKeys(options.key);
  const { lr, signal } = options;
  const { x0, ...made } = studentGradients(distillation, options);
  const common = { maxNorm: method.maxNorm, ...(signal && { signal }) };
  try {
    const student = await update(distillation.student, {
      ...common,
      ...made,
      name: "student",
      ...(lr?.student !== undefined && { lr: lr.student }),
    });
    const lora: Updated[] = [];
    for (let i = 0; i < method.loraSteps; i++) {
      const learned = loraGradients(distillation, { x0, prompts: options.prompts, keys: keys.lora(i) });
      const rate = lr?.lora !== undefined ? { lr: lr.lora } : {};
      lora.push(await update(loraTeacher!, { ...common, ...learned, name: "LoRA teacher", ...rate }));
    }
    return { student, lora };
  } finally {
    x0.dispose();
  }
}

/** Loss, gradients and the student's picture `[B, C, h, w]`, recorded and not run. The picture belongs to no scope. */
export function studentGradients(distillation: Distillation, { prompts, shape, key, studentOptions, also }: DistillStepOptions) {
  const { method, process, student, teachers } = distillation;
  const keys = stepKeys(key);
  const { prediction } = teachers;
  const device = prompts.text.tokens.device;
  let x0: Tensor | undefined;
  const [loss, gradients] = valueAndGradients(student.parameters, () => {
    const made = studentLoss({
      process,
      method,
      prompts,
      keys,
      student: x0Predictor(student.network, { process, prediction: student.prediction }),
      timestep: student.timestep ?? process.timesteps - 1,
      teacher: epsPredictor(teachers.teacher, { process, prediction }),
      lora: epsPredictor(teachers.lora, { process, prediction }),
      latents: normal(shape, { key: keys.latents, device }),
      ...(studentOptions && { studentOptions }),
      ...(also && { also }),
    });
    x0 = keep(made.x0);
    return made.loss;
  });
  return { loss, gradients, x0: x0! };
}

export interface LoraStepOptions {
  /** Pictures of the student, detached: `[B, C, h, w]`. */
  readonly x0: Tensor;
  readonly prompts: Prompts;
  readonly keys: LoraKeys;
}

/** Loss and gradients of the LoRA teacher (A2), recorded and not run. */
export function loraGradients({ method, process, teachers, loraTeacher }: Distillation, { x0, prompts, keys }: LoraStepOptions) {
  const [batch] = x0.shape;
  const [loss, gradients] = valueAndGradients(loraTeacher?.parameters, () => {
    const t = drawTimesteps(method.loraRange, { batch, key: keys.timesteps });
    const levels = levelsAt(process, t, x0.device);
    const noise = normal(x0.shape, { key: keys.noise, device: x0.device });
    const text = textOrNull({ text: prompts.text, nullText: prompts.nullText, key: keys.text, probability: method.nullText });
    const eps = epsPredictor(teachers.lora, { process, prediction: teachers.prediction });
    return loraTeacherLoss(eps(addNoise(x0, noise, levels), t, text), noise, levels);
  });
  return { loss, gradients };
}
