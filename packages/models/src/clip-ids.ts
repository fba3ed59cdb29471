import { type On, SnoopiError, type Tensor, tensor } from "@snoopi/core";
import type { ClipTextConfig } from "./checkpoint/config-clip.ts";

// Token ids while they are still numbers: the last place where a wrong one can be reported. On a GPU it only gives NaN.

/**
 * `[B, L]` i32 from equally long lists of ids. Throws for an id outside of the vocabulary, naming it and its position. Texts may be of any
 * length where the encoder's config has no `maxPositionEmbeddings`, as T5's.
 */
export function idsTensor(
  texts: readonly (readonly number[])[],
  {
    vocabSize,
    maxPositionEmbeddings = Number.POSITIVE_INFINITY,
  }: Pick<ClipTextConfig, "vocabSize"> & Partial<Pick<ClipTextConfig, "maxPositionEmbeddings">>,
  { device }: Pick<On, "device"> = {},
): Tensor {
  const length = texts[0]?.length ?? 0;
  if (length < 1) throw new SnoopiError("ids: there are no tokens. Encode at least one text; the empty one has an end.");
  if (length > maxPositionEmbeddings) {
    throw new SnoopiError(`ids: a text has ${length} tokens and the text encoder reads ${maxPositionEmbeddings}. Truncate it.`);
  }
  texts.forEach((ids, text) => {
    if (ids.length !== length) throw new SnoopiError(`ids: text 0 has ${length} tokens and text ${text} has ${ids.length}. Pad them.`);
    const at = ids.findIndex((id) => !Number.isInteger(id) || id < 0 || id >= vocabSize);
    if (at < 0) return;
    throw new SnoopiError(
      `ids: token ${at} of text ${text} is ${ids[at]} and the text encoder knows 0 to ${vocabSize - 1}. Use the tokenizer of the same model.`,
    );
  });
  return tensor(Int32Array.from(texts.flat()), { shape: [texts.length, length], ...(device && { device }) });
}

/**
 * Where each text ends: its first `eosTokenId`, or 0 where there is none. A config that says 2 was written before that key meant
 * anything, and transformers then takes the first occurrence of the largest id, which is the end token in CLIP's vocabulary.
 */
export const endPositions = (texts: readonly (readonly number[])[], { eosTokenId }: Pick<ClipTextConfig, "eosTokenId">): number[] =>
  texts.map((ids) => Math.max(0, ids.indexOf(eosTokenId === 2 ? Math.max(...ids) : eosTokenId)));
