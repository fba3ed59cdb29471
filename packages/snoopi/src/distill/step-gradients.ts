import { keep, SnoopiError, stopGradient, type Tensor, valueAndGradients } from "@snoopi/core";
import type { Context, UNetOptions } from "@snoopi/models";
import { nasa } from "../guidance/nasa.ts";
import type { Distillation } from "./distillation.ts";
import type { LoraDraws, StudentDraws } from "./draws.ts";
import { loraTeacherLoss } from "./lora-teacher.ts";
import { addNoise } from "./process.ts";
import { epsPredictor, x0Predictor } from "./score.ts";
import { type Judged, type Prompts, studentLoss } from "./student-loss.ts";

export interface StudentStepOptions {
  readonly prompts: Prompts;
  readonly draws: StudentDraws;
  readonly studentOptions?: UNetOptions;
  /** A further loss on the student's picture. */
  readonly also?: (x0: Tensor) => Tensor | Judged;
}

/**
 * Loss, gradients, the student's picture `[B, C, h, w]` and the parts of the loss, recorded, not run. Picture and parts belong to no
 * scope. With draws of α the student runs with NASA away from the negative, whose keys and values it learns too (NASA-T).
 */
export function studentGradients(distillation: Distillation, { prompts, draws, studentOptions = {}, also }: StudentStepOptions) {
  const { method, process, student, teachers } = distillation;
  const { prediction } = teachers;
  let x0: Tensor | undefined;
  let told: Readonly<Record<string, Tensor>> = {};
  const [loss, gradients] = valueAndGradients(student.parameters, () => {
    const { project = (context: Context) => context } = student.network;
    using away = draws.nasaScale && nasa({ negative: project(negativeOf(prompts)), scale: draws.nasaScale, cache: false });
    const made = studentLoss({
      process,
      method,
      prompts,
      draws,
      student: x0Predictor(student.network, { process, prediction: student.prediction }),
      timesteps: student.timesteps ?? [process.timesteps - 1],
      teacher: epsPredictor(teachers.teacher, { process, prediction }),
      lora: epsPredictor(teachers.lora, { process, prediction }),
      studentOptions: away ? { ...studentOptions, attend: away(studentOptions.attend) } : studentOptions,
      ...(also && { also }),
    });
    x0 = keep(made.x0);
    told = Object.fromEntries(Object.entries(made.told).map(([name, t]) => [name, keep(stopGradient(t))]));
    return made.loss;
  });
  return { loss, gradients, x0: x0!, told };
}

export interface LoraStepOptions {
  /** Pictures of the student, detached: `[B, C, h, w]`. */
  readonly x0: Tensor;
  /** The prompts' text, or the null text where the draws say so: {@link loraText}. */
  readonly text: Context;
  readonly draws: Pick<LoraDraws, "times" | "noise">;
}

/** Loss and gradients of the LoRA teacher (A2), recorded and not run. */
export function loraGradients(
  { method, process, teachers, loraTeacher }: Distillation,
  { x0, text, draws: { times, noise } }: LoraStepOptions,
) {
  const [loss, gradients] = valueAndGradients(loraTeacher?.parameters, () => {
    const eps = epsPredictor(teachers.lora, { process, prediction: teachers.prediction });
    return loraTeacherLoss(eps(addNoise(x0, noise, times), times, text), noise, {
      ...times,
      weighting: method.loraWeighting ?? "abar",
    });
  });
  return { loss, gradients };
}

/** The text that the LoRA teacher learns with. */
export const loraText = ({ text, nullText: none }: Prompts, { nullText }: Pick<LoraDraws, "nullText">): Context => (nullText ? none : text);

function negativeOf({ negative }: Prompts): Context {
  if (negative) return negative;
  throw new SnoopiError("distill: the method trains with NASA and there is no negative. Pass prompts.negative.");
}
