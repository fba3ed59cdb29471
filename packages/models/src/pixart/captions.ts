import { cast, gelu, mul, OpError, reshape, scope, show, sub, type Tensor } from "@snoopi/core";
import type { Context } from "../attention.ts";
import { linear } from "../layers.ts";
import type { Params } from "../params.ts";

export interface CaptionSizes {
  /** Width of the text encoder's tokens; null where cross-attention reads them as they are. */
  readonly channels: number | null;
  /** Width at which cross-attention reads them. */
  readonly width: number;
}

/**
 * Turns a text encoder's states into the context that cross-attention layers read. Tokens `[1 or B, L, channels]` go through diffusers'
 * `PixArtAlphaTextProjection`. A mask `[1 or B, L]`, 1 or true where a token counts, becomes a bias on the scores, `[1 or B, 1, 1, L]`; a
 * mask of rank 4 is one already and stays.
 */
export function captionProjection(p: Params, { channels, width }: CaptionSizes): (context: Context) => Context {
  const up = channels === null ? undefined : linear(p.at("linear_1"), channels, width);
  const mix = channels === null ? undefined : linear(p.at("linear_2"), width, width);
  const project = up && mix ? (tokens: Tensor) => mix(gelu(up(tokens), { approximate: "tanh" })) : (tokens: Tensor) => tokens;
  return ({ tokens, mask }) =>
    scope(() => {
      if (tokens.rank !== 3 || tokens.shape[2] !== (channels ?? width)) {
        throw new OpError("pixart", `the context's tokens are ${show(tokens.shape)}, expected [1 or B, L, ${channels ?? width}]`);
      }
      return { tokens: project(tokens), ...(mask && { mask: scoreBias(mask, tokens) }) };
    });
}

/** Not −∞: where no token of a text counts, scores stay finite and attention is as if all counted. */
const excluded = -10000;

function scoreBias(mask: Tensor, tokens: Tensor): Tensor {
  const length = tokens.shape[1];
  if (mask.rank === 4) return mask;
  if (mask.rank !== 2 || mask.shape[1] !== length) {
    throw new OpError(
      "pixart",
      `the context's mask is ${show(mask.shape)}, expected [1 or B, ${length}] to match tokens ${show(tokens.shape)}`,
    );
  }
  return reshape(mul(sub(1, cast(mask, "f32")), excluded), [mask.shape[0], 1, 1, length]);
}
