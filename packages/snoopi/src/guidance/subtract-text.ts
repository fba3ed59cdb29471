import { SnoopiError, show } from "@snoopi/core";
import type { Context } from "@snoopi/models";

/**
 * Subtraction of embeddings, `c = c₊ − a·c₋`: the baseline that steers the text rather than attention. Both `[B or 1, L, D]` of one
 * length; the positive's mask stays. It had nearly no effect in SNOOPI's comparison.
 *
 * @throws SnoopiError for texts of different length or width, and for a scale that is not finite.
 */
export function subtractText(positive: Context, negative: Context, { scale = 1 }: { readonly scale?: number } = {}): Context {
  if (!Number.isFinite(scale)) throw new SnoopiError(`subtractText: the scale is ${scale}, expected a finite number.`);
  const [towards, away] = [positive.tokens.shape, negative.tokens.shape];
  // One token would broadcast over all of the prompt's.
  if (towards.length !== 3 || away.length !== 3 || towards[1] !== away[1] || towards[2] !== away[2]) {
    throw new SnoopiError(`subtractText: the texts are ${show(towards)} and ${show(away)}. Pad both to one length L, [B, L, D].`);
  }
  return { ...positive, tokens: positive.tokens.sub(negative.tokens.mul(scale)) };
}
