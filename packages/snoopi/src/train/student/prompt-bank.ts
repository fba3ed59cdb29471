import { type Device, embedding, fillBits, fromData, type Key, reshape, SnoopiError, scope, type Tensor, toNumbers } from "@snoopi/core";
import type { Context } from "@snoopi/models";
import type { EmbeddingStore } from "../../prompts/cached-embeddings.ts";
import { captionIndex, captions } from "../../world/caption.ts";
import { namedOf, scenesOf, stepKey } from "../examples.ts";
import { type Numbers, uploaded } from "../stage.ts";

/** Prompts by index. Index `count` is the empty text. */
export interface PromptBank {
  readonly count: number;
  /** The indices of the prompts of a step. */
  draw(key: Key, step: number, count: number): Int32Array;
  /** The input of {@link PromptBank.context}, still on the host. */
  inputs(chosen: Int32Array): Numbers;
  /** The encoded prompts, `[n, L, D]`. */
  context(inputs: Tensor): Context;
  /** CLIP's embeddings of the prompts, `[n, D]`, where there is a CLIP. */
  readonly embeddings?: (chosen: Int32Array) => Tensor;
}

/** Encodes prompts on a device. The encoder's intermediate results are freed. */
export const contextOf = (bank: PromptBank, chosen: Int32Array, device: Device): Context =>
  scope(() => bank.context(uploaded({ prompts: bank.inputs(chosen) }, device).prompts));

/** Rows of `[n, …]`, by indices `[m]`. */
export function rowsOf(bank: Tensor, chosen: Tensor): Tensor {
  const [count, ...own] = bank.shape;
  return reshape(embedding(reshape(bank, [count, -1]), chosen), [chosen.shape[0], ...own]);
}

/** The tiny world's captions, drawn as often as it says them. `texts [n + 1, L, D]` are encoded, the empty one last. */
export const worldBank = (texts: Tensor, embeddings?: Tensor): PromptBank => ({
  count: captions.length,
  draw: (key, step, count) =>
    Int32Array.from(scenesOf(key, step * count, count), ({ attributes }, i) => captionIndex(namedOf(attributes, key, step * count + i))),
  inputs: (chosen) => ({ shape: [chosen.length], data: chosen }),
  context: (chosen) => ({ tokens: rowsOf(texts, chosen) }),
  ...(embeddings && {
    embeddings: (chosen) => rowsOf(embeddings, fromData(chosen, { shape: [chosen.length], dtype: "i32", device: texts.device })),
  }),
});

/** Texts by index. */
export interface TextList {
  readonly length: number;
  at(index: number): string | undefined;
}

const textsOf = (list: TextList, chosen: Int32Array): string[] => Array.from(chosen, (i) => (i === list.length ? "" : list.at(i)!));

/** Draws indices uniformly; with 32 bits also from lists of millions. */
const drawFrom =
  ({ length }: TextList): PromptBank["draw"] =>
  (key, step, count) => {
    const bits = new Uint32Array(count);
    fillBits(stepKey(key, 0, step), 0, bits);
    return Int32Array.from(bits, (value) => Math.floor((value * length) / 2 ** 32));
  };

export interface ListBankOptions {
  /** A text's tokens, all of one length. */
  readonly tokenize: (text: string) => ArrayLike<number>;
  /** Ids `[n, L]` to what the UNet reads, `[n, L, D]`. */
  readonly encode: (ids: Tensor) => Tensor;
  readonly embed?: (texts: readonly string[]) => Tensor;
}

/** Texts of a list, drawn uniformly, encoded when they are asked for. */
export function listBank(list: TextList, { tokenize, encode, embed }: ListBankOptions): PromptBank {
  return {
    count: list.length,
    draw: drawFrom(list),
    inputs(chosen) {
      const ids = textsOf(list, chosen).map((text) => Array.from(tokenize(text)));
      return { shape: [ids.length, ids[0].length], data: Int32Array.from(ids.flat()) };
    },
    context: (ids) => ({ tokens: encode(ids) }),
    ...(embed && { embeddings: (chosen) => embed(textsOf(list, chosen)) }),
  };
}

/** Texts of a list, drawn uniformly, all of them encoded in a store, the empty one too. */
export function storedBank(list: TextList, store: EmbeddingStore, { embed }: Pick<ListBankOptions, "embed">): PromptBank {
  return {
    count: list.length,
    draw: drawFrom(list),
    inputs(chosen) {
      const texts = textsOf(list, chosen);
      const { data, missing } = store.find(texts);
      if (missing.length > 0) {
        throw new SnoopiError(
          `embeddings: that of ${JSON.stringify(texts[missing[0]])} is missing or broken. Begin again with --resume: it is encoded then.`,
        );
      }
      return { shape: [texts.length, ...store.shape], data: toNumbers(store.dtype, data) as Float32Array };
    },
    context: (tokens) => ({ tokens }),
    ...(embed && { embeddings: (chosen) => embed(textsOf(list, chosen)) }),
  };
}
