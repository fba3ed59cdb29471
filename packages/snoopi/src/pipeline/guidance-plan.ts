import { type NamesOf, SnoopiError } from "@snoopi/core";
import { negativeMethods } from "../guidance/negative-guidance.ts";
import type { Strength } from "../guidance/strength.ts";
import { goesStraight, type Sampling } from "./sampling.ts";

/** The ways to keep a text away, by name: those of `negativeMethods` inside cross-attention, a second pass, and arithmetic on the text. */
export const guidanceNames: readonly string[] = [...negativeMethods.map(({ name }) => name), "cfg", "subtract"];

/** The guidance that a request asks for. */
export interface GuidanceRequest {
  /**
   * The text to steer away from. If `guidance` names no method, by NASA when `nasaScale` is given, in one step and in a student's steps,
   * and by classifier-free guidance otherwise.
   */
  readonly negative?: string;
  /** α of NASA. Default 0.5 for a negative in one step or a student's steps; without a negative it may not be given. */
  readonly nasaScale?: number;
  /**
   * The name of the only method to use: one of `guidanceNames`. Or κ of classifier-free guidance, for 2 steps or more, combined with NASA
   * if `nasaScale` is given; ≤ 1 takes no second pass. Default: the model's, 7.5 unless it has its own, and 1 for a student.
   */
  readonly guidance?: number | string;
  /**
   * The named method's scale, by default its own (κ of `cfg`: the model's, and 1.5 for one step or a student). Inside cross-attention it
   * may differ from layer to layer and from step to step.
   */
  readonly guidanceScale?: Strength;
}

export const guidanceRequestNames: NamesOf<GuidanceRequest> = { negative: true, nasaScale: true, guidance: true, guidanceScale: true };

/** Guidance with everything decided. */
export interface GuidancePlan {
  /** Inside cross-attention. */
  readonly steer?: { readonly method: string; readonly negative: string; readonly scale: Strength };
  readonly cfg?: { readonly negative: string; readonly scale: number };
  readonly subtract?: { readonly negative: string; readonly scale: number };
}

/** Checks the guidance that a request asks for and fills in what it leaves open. Throws SnoopiError if its parts contradict each other. */
export function guidancePlan(request: GuidanceRequest, sampling: Sampling): GuidancePlan {
  const { negative, nasaScale, guidanceScale } = request;
  if (nasaScale !== undefined && negative === undefined) throw new SnoopiError("generate: a NASA scale needs a negative prompt to scale.");
  if (nasaScale !== undefined && !(Number.isFinite(nasaScale) && nasaScale >= 0))
    throw new SnoopiError(`generate: the NASA scale is ${nasaScale}, expected a number ≥ 0.`);
  const straight = goesStraight(sampling);
  if (typeof request.guidance === "string") return named(request.guidance, request, sampling);
  if (guidanceScale !== undefined) {
    throw new SnoopiError(`generate: a guidance scale needs a method to scale. Name one as the guidance: ${guidanceNames.join(", ")}.`);
  }
  const guidance = request.guidance ?? (straight ? 1 : usual(sampling));
  if (!Number.isFinite(guidance)) throw new SnoopiError(`generate: the guidance is ${guidance}, expected a finite number.`);
  if (sampling.steps === 1 && guidance > 1)
    throw new SnoopiError(
      `generate: one step takes no guidance, and it is ${guidance}. Take 2 steps or more, or give a negative prompt alone.`,
    );
  const scale = nasaScale ?? (straight ? defaultScale("nasa", sampling) : undefined);
  if (negative !== undefined && scale === undefined && guidance <= 1)
    throw new SnoopiError(`generate: the negative prompt has no effect with guidance ${guidance}. Use one above 1, or give a NASA scale.`);
  const steered = negative !== undefined && scale !== undefined;
  return {
    ...(steered && { steer: { method: "nasa", negative, scale } }),
    ...(guidance > 1 && { cfg: { negative: steered ? "" : (negative ?? ""), scale: guidance } }),
  };
}

function named(method: string, { negative, nasaScale, guidanceScale }: GuidanceRequest, sampling: Sampling): GuidancePlan {
  if (!guidanceNames.includes(method))
    throw new SnoopiError(`generate: there is no guidance ${JSON.stringify(method)}. Choose one of ${guidanceNames.join(", ")}.`);
  if (nasaScale !== undefined && method !== "nasa")
    throw new SnoopiError(`generate: the guidance is ${method}, and NASA's scale is given. Give a guidance scale instead.`);
  if (nasaScale !== undefined && guidanceScale !== undefined)
    throw new SnoopiError("generate: the scale of nasa is given twice. Give a guidance scale alone.");
  if (negative === undefined && method !== "cfg") throw new SnoopiError(`generate: ${method} needs a negative prompt to keep away.`);
  const scale = guidanceScale ?? nasaScale ?? defaultScale(method, sampling);
  const away = negative ?? "";
  const inside = method !== "cfg" && method !== "subtract";
  if (typeof scale !== "number") {
    if (inside) return { steer: { method, negative: away, scale } };
    throw new SnoopiError(`generate: the scale of ${method} is no number, and only one inside cross-attention may vary. Give a number.`);
  }
  if (!(Number.isFinite(scale) && scale >= 0))
    throw new SnoopiError(`generate: the scale of ${method} is ${scale}, expected a number ≥ 0.`);
  if (method === "subtract") return { subtract: { negative: away, scale } };
  if (inside) return { steer: { method, negative: away, scale } };
  if (negative !== undefined && scale <= 1)
    throw new SnoopiError(`generate: the negative prompt has no effect at cfg's scale ${scale}. Use one above 1.`);
  return scale > 1 ? { cfg: { negative: away, scale } } : {};
}

/** diffusers' default, unless the model has its own. */
const usual = ({ guidance = 7.5 }: Sampling): number => guidance;

/** For `cfg` over many steps, the usual scale; in one step that much spoils the picture. */
function defaultScale(method: string, sampling: Sampling): number {
  if (method === "cfg") return goesStraight(sampling) ? 1.5 : usual(sampling);
  return negativeMethods.find(({ name }) => name === method)?.defaults.scale ?? 1;
}
