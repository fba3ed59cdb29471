import { type Device, fromData, type Tensor } from "@snoopi/core";
import { type Context, idsTensor } from "@snoopi/models";
import type { LoadedModel } from "./load.ts";
import type { OpenModel } from "./open.ts";

/** Texts as a network reads them, and how much of each was read. */
export interface EncodedTexts extends Context {
  /** Tokens of each text that are no padding. */
  readonly lengths: readonly number[];
  /** Tokens of each text that did not fit. */
  readonly truncated: readonly number[];
}

/**
 * Texts to tokens `[n, L, D]`, recorded and not computed; with a mask `[n, L]`, 1 where a token counts, if the model hides padding from
 * cross-attention.
 */
export function encodeTexts({ model, device, encodeText }: LoadedModel, texts: readonly string[]): EncodedTexts {
  const all = texts.map((text) => model.tokenizer.encode(text));
  const lengths = all.map(({ length }) => length);
  const mask = model.text.masked ? paddingMask(lengths, model.text.length, device) : undefined;
  return {
    tokens: encodeText(idsOf(all, model.text, device), mask),
    ...(mask && { mask }),
    lengths,
    truncated: all.map(({ truncated }) => truncated),
  };
}

/** Ids `[n, L]` of texts by a model's own tokenizer. @throws SnoopiError for an id that its text encoder has no row for. */
export function tokenIds({ tokenizer, text }: Pick<OpenModel, "tokenizer" | "text">, texts: readonly string[], device: Device): Tensor {
  const all = texts.map((one) => tokenizer.encode(one));
  return idsOf(all, text, device);
}

function idsOf(all: readonly { readonly ids: Int32Array }[], { vocabSize }: OpenModel["text"], device: Device): Tensor {
  const lists = all.map(({ ids }) => [...ids]);
  return idsTensor(lists, { vocabSize }, { device });
}

/** `[n, L]`: 1 for the first tokens of each text and 0 for its padding. */
function paddingMask(lengths: readonly number[], length: number, device: Device): Tensor {
  const mask = new Float32Array(lengths.length * length);
  for (const [text, count] of lengths.entries()) mask.fill(1, text * length, text * length + count);
  return fromData(mask, { shape: [lengths.length, length], dtype: "f32", device });
}
