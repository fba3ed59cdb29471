import { type Device, type Key, noGrad, type Shape, stopGradient } from "@snoopi/core";
import { firstTimestep } from "../../distill/distillation.ts";
import { loraTeacherLoss } from "../../distill/lora-teacher.ts";
import { addNoise } from "../../distill/process.ts";
import { epsPredictor, x0Predictor } from "../../distill/score.ts";
import { drawTimesteps } from "../../distill/time-range.ts";
import { normals, stepKey, uniforms } from "../examples.ts";
import type { Numbers, Stage } from "../stage.ts";
import type { Assembled } from "./assemble.ts";
import type { PromptBank } from "./prompt-bank.ts";

export interface AheadStageOptions {
  readonly name: string;
  readonly device: Device;
  readonly assembled: Assembled;
  readonly bank: PromptBank;
  readonly batch: number;
  /** Shape of one picture's latents: `[C, h, w]`. */
  readonly latents: Shape;
  readonly key: Key;
}

/**
 * Trains the LoRA teacher alone, on pictures of a fixed student: if that does not begin as the teacher, its first gradients would
 * otherwise come from a LoRA teacher that has not seen its pictures.
 */
export function aheadStage({ name, device, assembled, bank, batch, latents, key }: AheadStageOptions): Stage {
  const { distillation, loraTeacher } = assembled;
  const { student, teachers, process, method } = distillation;
  const picture = x0Predictor(student.network, { process, prediction: student.prediction });
  const eps = epsPredictor(teachers.lora, { process, prediction: teachers.prediction });
  const first = firstTimestep(distillation);
  const each = (values: readonly number[]): Numbers => ({ shape: [batch, 1, 1, 1], data: Float32Array.from(values) });
  return {
    name,
    device,
    parameters: loraTeacher!.parameters as Stage["parameters"],
    batch(step) {
      const t = drawTimesteps(method.loraRange, { batch, key: stepKey(key, 1, step) });
      const chosen = bank.draw(stepKey(key, 2, 0), step, batch);
      const empty = uniforms(1, stepKey(key, 3, step))[0] < method.nullText;
      return {
        z: normals([batch, ...latents], stepKey(key, 4, step)),
        noise: normals([batch, ...latents], stepKey(key, 5, step)),
        alpha: each(t.map(process.alpha)),
        sigma: each(t.map(process.sigma)),
        fed: { shape: [batch], data: Float32Array.from(t, process.fed) },
        prompts: bank.inputs(chosen),
        said: bank.inputs(empty ? chosen.map(() => bank.count) : chosen),
      };
    },
    loss({ z, noise, alpha, sigma, fed, prompts, said }) {
      const x0 = stopGradient(noGrad(() => picture(z, new Array<number>(batch).fill(first), bank.context(prompts))));
      const predicted = eps(addNoise(x0, noise, { alpha, sigma }), { fed, alpha, sigma }, bank.context(said));
      return { loss: loraTeacherLoss(predicted, noise, { alpha, weighting: method.loraWeighting ?? "abar" }) };
    },
  };
}
