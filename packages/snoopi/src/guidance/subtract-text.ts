import type { Context } from "@snoopi/models";

/**
 * Subtraction of embeddings, `c = c₊ − a·c₋`: the baseline that steers the text rather than attention. Both `[B or 1, L, D]` of one
 * length; the positive's mask stays. Near no effect in SNOOPI's comparison.
 */
export const subtractText = (positive: Context, negative: Context, { scale = 1 }: { readonly scale?: number } = {}): Context => ({
  ...positive,
  tokens: positive.tokens.sub(negative.tokens.mul(scale)),
});
