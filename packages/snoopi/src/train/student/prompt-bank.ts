import { type Device, embedding, fromData, type Key, reshape, type Tensor } from "@snoopi/core";
import type { Context } from "@snoopi/models";
import { captionIndex, captions } from "../../world/caption.ts";
import { integers, namedOf, scenesOf, stepKey } from "../examples.ts";
import type { Numbers } from "../stage.ts";

/** Prompts by their numbers, of which `count` is the empty text. */
export interface PromptBank {
  readonly count: number;
  /** The numbers of the prompts of a step. */
  draw(key: Key, step: number, count: number): Int32Array;
  /** What {@link PromptBank.context} reads, on its way to the device. */
  inputs(chosen: Int32Array): Numbers;
  /** The encoded prompts, `[n, L, D]`. */
  context(inputs: Tensor): Context;
  /** CLIP's embeddings of the prompts, `[n, D]`, where there is a CLIP. */
  readonly embeddings?: (chosen: Int32Array) => Tensor;
}

/** Prompts encoded, on a device. */
export const contextOf = (bank: PromptBank, chosen: Int32Array, device: Device): Context => {
  const { shape, data } = bank.inputs(chosen);
  return bank.context(fromData(data, { shape, dtype: "i32", device }));
};

/** Rows of `[n, …]`, by numbers `[m]`. */
export function rowsOf(bank: Tensor, chosen: Tensor): Tensor {
  const [count, ...own] = bank.shape;
  return reshape(embedding(reshape(bank, [count, -1]), chosen), [chosen.shape[0], ...own]);
}

/** The tiny world's captions, as often as they are said there. `texts [n + 1, L, D]` are encoded, the empty one last. */
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

export interface ListBankOptions {
  /** A text's tokens, all of one length. */
  readonly tokenize: (text: string) => ArrayLike<number>;
  /** Ids `[n, L]` to what the UNet reads, `[n, L, D]`. */
  readonly encode: (ids: Tensor) => Tensor;
  readonly embed?: (texts: readonly string[]) => Tensor;
}

/** Texts of a list, equally often, encoded when they are asked for. */
export function listBank(list: readonly string[], { tokenize, encode, embed }: ListBankOptions): PromptBank {
  const textOf = (i: number) => (i === list.length ? "" : list[i]);
  return {
    count: list.length,
    draw: (key, step, count) => integers(count, list.length, stepKey(key, 0, step)),
    inputs(chosen) {
      const ids = Array.from(chosen, (i) => Array.from(tokenize(textOf(i))));
      return { shape: [ids.length, ids[0].length], data: Int32Array.from(ids.flat()) };
    },
    context: (ids) => ({ tokens: encode(ids) }),
    ...(embed && { embeddings: (chosen) => embed(Array.from(chosen, textOf)) }),
  };
}
