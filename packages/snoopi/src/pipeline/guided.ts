import type { Context } from "@snoopi/models";
import { type Denoiser, denoiser } from "../denoiser.ts";
import { cfg } from "../guidance/cfg.ts";
import { type NegativeGuidance, negativeGuidance } from "../guidance/negative-guidance.ts";
import type { EncodedTexts } from "./encode-texts.ts";
import type { GuidancePlan } from "./guidance-plan.ts";
import type { HeldContexts } from "./held-contexts.ts";
import type { LoadedModel } from "./load.ts";

export interface Guided {
  readonly denoise: Denoiser;
  /** The network alone. */
  readonly without: Denoiser;
  /** Dispose of it after the last step. */
  readonly guidance: NegativeGuidance | undefined;
}

export interface GuidedOptions {
  /** One text, encoded, which must live as long as the guidance. */
  readonly textOf: (text: string) => EncodedTexts;
  /** Keeps other contexts for as long. */
  readonly hold: HeldContexts;
}

/** The network with a plan's guidance. */
export function guided(
  { network, model: { schedule } }: LoadedModel,
  { steer, cfg: twoPasses }: GuidancePlan,
  { textOf, hold }: GuidedOptions,
): Guided {
  /** The context as cross-attention reads it. */
  const read = (context: Context): Context => (network.project ? hold(() => network.project!(context)) : context);
  const guidance =
    steer &&
    negativeGuidance(steer.method, {
      // VSF has one softmax over both texts: the negative's padding would take its share of the prompt's attention.
      negative: read(steer.method === "vsf" ? hold(() => trimmed(textOf(steer.negative))) : textOf(steer.negative)),
      scale: steer.scale,
      ...(steer.method === "neutral" && { empty: read(textOf("")) }),
    });
  const without = denoiser(network, schedule);
  const steered = guidance ? denoiser(network, schedule, { guidance }) : without;
  const denoise = twoPasses
    ? cfg(steered, { scale: twoPasses.scale, negative: textOf(twoPasses.negative), negativeDenoiser: without })
    : steered;
  return { denoise, without, guidance };
}

/** One text without its padding. */
const trimmed = ({ tokens, lengths: [length] }: EncodedTexts): Context => ({ tokens: tokens.slice([null, [0, length]]) });
