import { SnoopiError, torchGenerator } from "@snoopi/core";
import { checkSteps } from "../schedule/timesteps.ts";
import type { OpenModel } from "./open.ts";

/** A picture to make. */
export interface Request {
  readonly prompt: string;
  /** The text to steer away from: NASA's when `nasaScale` is given or there is one step, classifier-free guidance's otherwise. */
  readonly negative?: string;
  /** α of NASA. Default 0.5 for one step with a negative; without a negative it may not be given. */
  readonly nasaScale?: number;
  /** Passes: 1, the default, is one-step generation; more are DDIM. */
  readonly steps?: number;
  /** κ of classifier-free guidance, for 2 steps or more; ≤ 1 takes no second pass. Default 7.5. */
  readonly guidance?: number;
  /** Seed of PyTorch's CPU generator for the starting noise. Default 0. */
  readonly seed?: number | bigint;
  /** Pixels. Default the model's own size; any multiples of the VAE's factor. */
  readonly width?: number;
  readonly height?: number;
}

/** A request with everything decided. */
export interface Plan {
  readonly prompt: string;
  readonly steps: number;
  readonly seed: number | bigint;
  readonly width: number;
  readonly height: number;
  readonly nasa?: { readonly negative: string; readonly scale: number };
  readonly cfg?: { readonly negative: string; readonly scale: number };
}

/** Checks a request against a model and fills in what it leaves open. */
export function planOf(model: OpenModel, request: Request): Plan {
  const { prompt, negative, nasaScale, steps = 1, seed = 0 } = request;
  const { width = model.size.width, height = model.size.height } = request;
  checkSteps(model.schedule, steps);
  for (const [name, value] of [
    ["width", width],
    ["height", height],
  ] as const) {
    if (!Number.isInteger(value) || value < model.factor || value % model.factor !== 0) {
      const near = Math.max(model.factor, Math.round(value / model.factor) * model.factor) || model.size[name];
      throw new SnoopiError(`generate: the ${name} is ${value}, and this model makes multiples of ${model.factor}. Try ${near}.`);
    }
  }
  if (nasaScale !== undefined && negative === undefined) throw new SnoopiError("generate: a NASA scale needs a negative prompt to scale.");
  if (nasaScale !== undefined && !(Number.isFinite(nasaScale) && nasaScale >= 0))
    throw new SnoopiError(`generate: the NASA scale is ${nasaScale}, expected a number ≥ 0.`);
  const guidance = request.guidance ?? (steps === 1 ? 1 : 7.5);
  if (!Number.isFinite(guidance)) throw new SnoopiError(`generate: the guidance is ${guidance}, expected a finite number.`);
  if (steps === 1 && guidance > 1)
    throw new SnoopiError(
      `generate: one step takes no guidance, and it is ${guidance}. Take 2 steps or more, or give a negative prompt alone.`,
    );
  const scale = nasaScale ?? (steps === 1 ? 0.5 : undefined);
  if (negative !== undefined && scale === undefined && guidance <= 1)
    throw new SnoopiError(`generate: the negative prompt has no effect with guidance ${guidance}. Use one above 1, or give a NASA scale.`);
  torchGenerator(seed); // Throws for what is no seed.
  const steered = negative !== undefined && scale !== undefined;
  return {
    prompt,
    steps,
    seed,
    width,
    height,
    ...(steered && { nasa: { negative, scale } }),
    ...(guidance > 1 && { cfg: { negative: steered ? "" : (negative ?? ""), scale: guidance } }),
  };
}
