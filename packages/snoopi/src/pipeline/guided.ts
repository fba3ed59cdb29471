import type { Context } from "@snoopi/models";
import { type Denoiser, denoiser } from "../denoiser.ts";
import { cfg } from "../guidance/cfg.ts";
import { type NegativeGuidance, negativeGuidance } from "../guidance/negative-guidance.ts";
import type { GuidancePlan } from "./guidance-plan.ts";
import type { LoadedModel } from "./load.ts";

export interface Guided {
  readonly denoise: Denoiser;
  /** The network alone. */
  readonly without: Denoiser;
  /** Dispose of it after the last step. */
  readonly guidance: NegativeGuidance | undefined;
}

/** The network steered as a plan says. `textOf` gives encoded texts, on demand without their padding; they have to live as long. */
export function guided(
  { network, model: { schedule } }: LoadedModel,
  { steer, cfg: twoPasses }: GuidancePlan,
  textOf: (text: string, padding: "padded" | "trimmed") => Context,
): Guided {
  // VSF has one softmax over both texts: the negative's padding would take its share of the prompt's attention.
  const guidance =
    steer &&
    negativeGuidance(steer.method, {
      negative: textOf(steer.negative, steer.method === "vsf" ? "trimmed" : "padded"),
      scale: steer.scale,
      ...(steer.method === "neutral" && { empty: textOf("", "padded") }),
    });
  const without = denoiser(network, schedule);
  const steered = guidance ? denoiser(network, schedule, { guidance }) : without;
  const denoise = twoPasses
    ? cfg(steered, { scale: twoPasses.scale, negative: textOf(twoPasses.negative, "padded"), negativeDenoiser: without })
    : steered;
  return { denoise, without, guidance };
}
