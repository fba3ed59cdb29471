import { type Device, fromData, type Key, mul, noGrad, type Shape, scope, type Tensor } from "@snoopi/core";
import type { Context } from "@snoopi/models";
import {
  type CapturedBatch,
  type CapturedDistillation,
  type CapturedStepOptions,
  captureDistillation,
} from "../../distill/captured-step.ts";
import { clampedClipLoss, decayingWeight } from "../../distill/clip-loss.ts";
import { disposeDrawn, drawsOf } from "../../distill/distill-step.ts";
import { firstTimestep } from "../../distill/distillation.ts";
import type { StepDraws } from "../../distill/draws.ts";
import { drawNegatives } from "../../distill/negatives.ts";
import { x0Predictor } from "../../distill/score.ts";
import { loraGradients, loraText, studentGradients } from "../../distill/step-gradients.ts";
import type { Judged } from "../../distill/student-loss.ts";
import { cameOut } from "../../distill/update.ts";
import { firstOf } from "../diagnose.ts";
import type { DistillConfig } from "../distill-config.ts";
import { stepKey } from "../examples.ts";
import { rateAt } from "../rate.ts";
import type { Stepper } from "../stepper.ts";
import type { Assembled } from "./assemble.ts";
import { inParts } from "./in-parts.ts";
import { contextOf, type PromptBank } from "./prompt-bank.ts";
import { drawPairs, type Pairs, pseudoHuber } from "./regression.ts";

export interface DistillStepperOptions {
  readonly name: string;
  readonly device: Device;
  readonly config: DistillConfig;
  readonly assembled: Assembled;
  readonly bank: PromptBank;
  /** Shape of one picture's latents: `[C, h, w]`. */
  readonly latents: Shape;
  readonly key: Key;
  /** CLIP's embeddings `[B, D]` of what latents show, if there is a CLIP loss. */
  readonly embedLatents?: (x0: Tensor) => Tensor;
  /** For the regression that is kept beside the distillation. */
  readonly pairs?: Pairs;
  /** What NASA-T keeps away. */
  readonly negatives?: PromptBank;
}

/** A distillation that goes step by step. */
export interface DistillStepper extends Stepper {
  /** Hands a step to the device without reading its result. */
  launch(step: number): Tensor;
  /** Kernels of a step, once one has run. */
  readonly dispatches: number;
}

/** A distillation by a config: PG-SB or a related method. */
export function distillStepper(options: DistillStepperOptions): DistillStepper {
  const { name, device, config, assembled, bank, key, embedLatents, pairs, negatives } = options;
  const { distillation, student, loraTeacher } = assembled;
  const { steps, batch, accumulate } = config;
  const shape = [batch, ...options.latents];
  const also = judging(options);
  const captured: CapturedDistillation = captureDistillation(distillation, also ? { also } : {});
  let moved = false;

  /** The inputs of a step. Their tensors belong to the scope they are made in. */
  const given = (step: number): CapturedStepOptions => {
    const nullText = contextOf(bank, Int32Array.of(bank.count), device);
    const [first, ...more] = Array.from({ length: accumulate }, (_, i) => batchOf(step * accumulate + i, { step, nullText }));
    return {
      ...first,
      ...(more.length > 0 && { more }),
      lr: { student: rateAt(config.student.rate, step, steps), lora: rateAt(config.loraTeacher.rate, step, steps) },
    };
  };

  /** Everything in a batch is drawn by its index, counted through all steps. */
  const batchOf = (index: number, { step, nullText }: { readonly step: number; readonly nullText: Context }): CapturedBatch => {
    const said = bank.draw(stepKey(key, 1, 0), index, batch);
    const more: Record<string, Tensor> = {};
    const { embeddings } = bank;
    if (embedLatents && embeddings) {
      more.clipText = scope(() => embeddings(said));
      const { weight, decay } = config.clip;
      more.clipWeight = scalar(decayingWeight(step, { from: weight, steps, shape: decay }), device);
    }
    if (pairs && config.keepRegression.weight > 0) {
      const { noise, x0, said } = drawPairs(pairs, { key: stepKey(key, 3, index), count: config.keepRegression.batch, device });
      Object.assign(more, { pairNoise: noise, pairX0: x0, pairText: contextOf(bank, said, device).tokens });
    }
    const away = negatives && drawNegatives(negatives.count, { batch, key: stepKey(key, 4, index) });
    return {
      key: stepKey(key, 2, index),
      shape,
      prompts: {
        text: contextOf(bank, said, device),
        nullText,
        ...(away && negatives && { negative: contextOf(negatives, Int32Array.from(away), device) }),
      },
      given: more,
    };
  };

  const firstOfBatch = ({ prompts, given = {} }: CapturedBatch, draws: StepDraws): Promise<string | undefined> =>
    scope(async (s) => {
      const asked = { prompts, draws: draws.student, ...(also && { also: (x0: Tensor) => also(x0, given) }) };
      const { loss, gradients, x0, told } = s.run(() => studentGradients(distillation, asked));
      try {
        const first = await firstOf({
          "prompts'": prompts,
          given,
          "student's parameter": student.parameters,
          "LoRA teacher's parameter": loraTeacher?.parameters,
          "student's picture": x0,
          "loss's part": told,
          "student's loss": loss,
          "gradient of": gradients,
        });
        if (first || !loraTeacher) return first;
        for (const drawn of draws.lora) {
          const { loss, gradients } = s.run(() => loraGradients(distillation, { x0, text: loraText(prompts, drawn), draws: drawn }));
          const found = await firstOf({ "LoRA teacher's loss": loss, "gradient of": gradients });
          if (found) return found;
        }
        return undefined;
      } finally {
        for (const t of [x0, ...Object.values(told)]) t.dispose();
      }
    });

  return {
    name,
    get dispatches() {
      return captured.dispatches;
    },
    launch: (step) => noGrad(() => scope(() => captured.launch(given(step)))),
    parts: (taken) => ({
      ...under("student", student.parts(taken)),
      ...(loraTeacher && under("lora", loraTeacher.parts(taken * distillation.method.loraSteps))),
    }),
    adopt() {
      student.adopt();
      loraTeacher?.adopt();
    },
    async step(step) {
      const { student, lora, told } = await scope((s) => captured.report(s.run(() => noGrad(() => given(step)))));
      moved = [student, ...lora].some(cameOut);
      const average = (of: "loss" | "norm") => lora.reduce((sum, one) => sum + one[of], 0) / lora.length;
      return {
        ...student,
        ...told,
        ...(lora.length > 0 && { lora: average("loss"), loraNorm: average("norm") }),
        rate: rateAt(config.student.rate, step, steps),
        ...(lora.length > 0 && { loraRate: rateAt(config.loraTeacher.rate, step, steps) }),
      };
    },
    unmoved: () => !moved,
    firstNotFinite: (step) =>
      scope(async (s) => {
        const { more = [], ...one } = s.run(() => noGrad(() => given(step)));
        const batches: readonly CapturedBatch[] = [one, ...more];
        const draws = s.run(() => drawsOf(distillation, batches));
        try {
          for (const [i, own] of batches.entries()) {
            const found = await firstOfBatch(own, draws[i]);
            if (found) return batches.length === 1 ? found : `in batch ${i + 1} of ${batches.length}, ${found}`;
          }
          return undefined;
        } finally {
          disposeDrawn(draws, batches);
        }
      }),
    weights: student.weights,
    [Symbol.dispose]: () => captured[Symbol.dispose](),
  };
}

/** The CLIP loss and the regression that is kept, where the config has them. */
function judging({ config, assembled: { distillation }, embedLatents, pairs }: DistillStepperOptions) {
  const { keepRegression, clip, regression } = config;
  const keeps = pairs && keepRegression.weight > 0;
  const seen = embedLatents && inParts(embedLatents, clip.atOnce);
  if (!keeps && !embedLatents) return undefined;
  const { student, process } = distillation;
  const predict = x0Predictor(student.network, { process, prediction: student.prediction });
  return (x0: Tensor, given: Readonly<Record<string, Tensor>>): Judged => {
    const told: Record<string, Tensor> = {};
    const losses: Tensor[] = [];
    if (seen) {
      told.clip = clampedClipLoss(seen(x0), given.clipText, { margin: clip.margin });
      losses.push(mul(told.clip, given.clipWeight));
    }
    if (keeps) {
      const { pairNoise, pairX0, pairText } = given;
      const at = new Array<number>(pairNoise.shape[0]).fill(firstTimestep(distillation));
      told.regression = pseudoHuber(predict(pairNoise, at, { tokens: pairText }), pairX0, regression.delta);
      losses.push(mul(told.regression, keepRegression.weight));
    }
    return { loss: losses.reduce((a, b) => a.add(b)), ...told };
  };
}

const under = (name: string, parts: Readonly<Record<string, unknown>>) =>
  Object.fromEntries(Object.entries(parts).map(([part, value]) => [`${name}-${part}`, value]));

const scalar = (value: number, device: Device): Tensor => fromData(Float32Array.of(value), { shape: [], dtype: "f32", device });
