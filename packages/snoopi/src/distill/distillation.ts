import { SnoopiError } from "@snoopi/core";
import type { DiffusionNetwork } from "@snoopi/models";
import type { Teachers } from "./lora-teacher.ts";
import type { DistillMethod } from "./method.ts";
import type { Prediction } from "./parameterization.ts";
import type { ForwardProcess } from "./process.ts";
import type { Trained } from "./update.ts";

/** All that a distillation works with. */
export interface Distillation {
  readonly method: DistillMethod;
  readonly process: ForwardProcess;
  readonly student: Trained & {
    readonly network: DiffusionNetwork;
    readonly prediction: Prediction;
    /**
     * The timesteps it runs at: one, or several in descending order for a multi-step student (`fewStepTimesteps`). Default: the process's
     * last; DMD's PixArt has 400.
     */
    readonly timesteps?: readonly number[];
  };
  readonly teachers: Teachers & { readonly prediction: Prediction };
  /** The adapter of the LoRA teacher. SDS needs none. */
  readonly loraTeacher?: Trained;
}

/** The LoRA teacher, if the method trains one. @throws SnoopiError when it does and there is none. */
export function loraTeacherOf({ method, loraTeacher }: Distillation): Trained | undefined {
  if (method.loraSteps === 0) return undefined;
  if (loraTeacher) return loraTeacher;
  throw new SnoopiError(`distill: the method has ${method.loraSteps} updates of a LoRA teacher and there is none. Pass loraTeacher.`);
}

/** The timestep at which the student starts from noise. */
export const firstTimestep = ({ student, process }: Pick<Distillation, "student" | "process">): number =>
  student.timesteps?.[0] ?? process.timesteps - 1;
