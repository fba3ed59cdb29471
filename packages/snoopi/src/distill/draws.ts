import { type Device, fillUniform, fromData, type Key, leaves, normal, type Shape, SnoopiError, type Tensor } from "@snoopi/core";
import { drawKappas, type Kappa } from "./kappa.ts";
import type { DistillMethod } from "./method.ts";
import { type ForwardProcess, perSample, type Times, timesAt } from "./process.ts";
import type { LoraKeys, StepKeys } from "./step-keys.ts";
import { drawTimesteps } from "./time-range.ts";

/** What the student's part of a step draws, as data: from keys ({@link drawStudent}), or given, to repeat another program's step. */
export interface StudentDraws {
  /** Starting noise `[B, C, h, w]`; for a multi-step student, one more for each step simulated before the one that learns. */
  readonly latents: readonly Tensor[];
  /** Timesteps at which the scores are compared. */
  readonly times: Times;
  /** ε of x̂_t. */
  readonly noise: Tensor;
  /** κ of each sample, `[B, 1, 1, 1]`; without one there is no guidance. */
  readonly kappa: { readonly teacher?: Tensor; readonly lora?: Tensor };
  /** α of NASA in the student `[B]`, for a method that trains with it. */
  readonly nasaScale?: Tensor;
}

/** What an update of the LoRA teacher draws. */
export interface LoraDraws {
  readonly times: Times;
  readonly noise: Tensor;
  /** Whether the batch learns with the null text. */
  readonly nullText: boolean;
}

/** What a step draws. The LoRA teacher's are in order. */
export interface StepDraws {
  readonly student: StudentDraws;
  readonly lora: readonly LoraDraws[];
}

export interface DrawOptions {
  readonly process: ForwardProcess;
  readonly method: DistillMethod;
  /** Of the latents: `[B, C, h, w]`. */
  readonly shape: Shape;
  readonly device: Device;
}

/**
 * Draws for the student. `steps` is how many it takes from noise to picture: the one that learns is drawn uniformly from them.
 * @throws SnoopiError for a method whose ranges are empty or not numbers.
 */
export function drawStudent(
  { process, method, shape, device }: DrawOptions,
  { keys, steps = 1 }: { readonly keys: Omit<StepKeys, "lora">; readonly steps?: number },
): StudentDraws {
  const [batch] = shape;
  const count = 1 + Math.floor(unit(keys.step) * steps);
  const kappas = drawKappas(method.kappa, { batch, key: keys.kappa });
  const guided = (who: "teacher" | "lora") => !always(method.kappa[who], 1) && { [who]: perSample(kappas[who], device) };
  const { nasa } = method;
  const alphas = nasa && drawKappas({ teacher: nasa.scale, lora: nasa.scale, per: nasa.per, draws: "shared" }, { batch, key: keys.nasa });
  return {
    latents: Array.from({ length: count }, (_, stream) => normal(shape, { key: keys.latents, stream, device })),
    times: timesAt(process, drawTimesteps(method.studentRange, { batch, key: keys.timesteps }), device),
    noise: normal(shape, { key: keys.noise, device }),
    kappa: { ...guided("teacher"), ...guided("lora") },
    ...(alphas && { nasaScale: fromData(alphas.teacher, { shape: [batch], dtype: "f32", device }) }),
  };
}

/** Draws for one update of the LoRA teacher. */
export function drawLora({ process, method, shape, device }: DrawOptions, { keys }: { readonly keys: LoraKeys }): LoraDraws {
  const [batch] = shape;
  return {
    times: timesAt(process, drawTimesteps(method.loraRange, { batch, key: keys.timesteps }), device),
    noise: normal(shape, { key: keys.noise, device }),
    nullText: unit(keys.text) < method.nullText,
  };
}

/** All draws of a step. They belong to the caller: {@link disposeDraws} when it is done. */
export const drawStep = (options: DrawOptions, { keys, steps = 1 }: { readonly keys: StepKeys; readonly steps?: number }): StepDraws => ({
  student: drawStudent(options, { keys, steps }),
  lora: Array.from({ length: options.method.loraSteps }, (_, i) => drawLora(options, { keys: keys.lora(i) })),
});

/** Frees the tensors of draws. */
export function disposeDraws(draws: StepDraws): void {
  for (const t of leaves(draws)) t.dispose();
}

/** Throws unless there are draws for every update of the LoRA teacher. */
export function checkDraws({ lora }: StepDraws, { loraSteps }: DistillMethod): void {
  if (lora.length === loraSteps) return;
  throw new SnoopiError(`distill: there are draws for ${lora.length} updates of the LoRA teacher and the method has ${loraSteps}.`);
}

/** One number, uniform in [0, 1). */
function unit(key: Key): number {
  const drawn = new Float32Array(1);
  fillUniform(key, 0, drawn);
  return drawn[0];
}

const always = (kappa: Kappa, value: number): boolean => "fixed" in kappa && kappa.fixed === value;
