import type { Device, Tensor } from "@snoopi/core";
import { type Context, idsTensor } from "@snoopi/models";
import type { LoadedModel } from "./load.ts";
import type { OpenModel } from "./open.ts";

/** Texts as a network reads them, and how they fared on the way. */
export interface EncodedTexts extends Context {
  /** Tokens of each text that are no padding. */
  readonly lengths: readonly number[];
  /** Tokens of each text that did not fit. */
  readonly truncated: readonly number[];
}

/** Texts to tokens `[n, L, D]`, recorded and not computed. */
export function encodeTexts({ model, device, encodeText }: LoadedModel, texts: readonly string[]): EncodedTexts {
  const all = texts.map((text) => model.tokenizer.encode(text));
  return {
    tokens: encodeText(tokenIds(model, texts, device)),
    lengths: all.map(({ length }) => length),
    truncated: all.map(({ truncated }) => truncated),
  };
}

/** Ids `[n, L]` of texts by a model's own tokenizer. @throws SnoopiError for an id that its text encoder has no row for. */
export function tokenIds({ tokenizer, text }: Pick<OpenModel, "tokenizer" | "text">, texts: readonly string[], device: Device): Tensor {
  const ids = texts.map((one) => [...tokenizer.encode(one).ids]);
  return idsTensor(ids, { vocabSize: text.vocabSize, maxPositionEmbeddings: text.length }, { device });
}
