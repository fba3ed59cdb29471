import { SnoopiError } from "@snoopi/core";
import type { Folder } from "../checkpoint/folder.ts";
import { charsmapNormalizer } from "./charsmap.ts";
import { type T5AddedToken, t5AddedTokens } from "./t5-added.ts";
import { readT5TokenizerFiles, type T5TokenizerFiles, t5Vocabulary } from "./t5-files.ts";
import { unigram } from "./unigram.ts";

export interface EncodedT5Prompt {
  /** `maxLength` ids: the text, end, padding. */
  readonly ids: Int32Array;
  /** 1 for each id of the text and the end, 0 for each of the padding. T5 and what attends to its output both need it. */
  readonly mask: Int32Array;
  /** How many ids are not padding. */
  readonly length: number;
  /** How many tokens of the text did not fit and were left out. */
  readonly truncated: number;
}

export interface T5Tokenizer {
  /** Ids in a prompt, the end included. */
  readonly maxLength: number;
  /** One more than the largest id. The text encoder's table must be at least as long; published ones are, by 28. */
  readonly vocabSize: number;
  readonly endId: number;
  readonly padId: number;
  readonly unknownId: number;
  encode(text: string): EncodedT5Prompt;
}

export interface T5TokenizerOptions {
  /** Ids in a prompt, the end included: 120 (the default) for PixArt-α, 300 for PixArt-Σ. The files' `model_max_length` is ignored. */
  readonly maxLength?: number;
}

/**
 * T5's tokenizer from the contents of its folder. Its ids equal those of transformers 5, also where that differs from the sentencepiece
 * library: a special token that is typed in a text counts as such, and marks after some characters are dropped (`charsmapNormalizer`). The
 * word after a special token begins with `▁` whatever the config's `legacy` says: transformers 5 does not read that any more.
 */
export function t5Tokenizer(files: T5TokenizerFiles, { maxLength = 120 }: T5TokenizerOptions = {}): T5Tokenizer {
  const name = files.name ?? "tokenizer";
  if (!Number.isSafeInteger(maxLength) || maxLength < 1) {
    throw new SnoopiError(`${name}: maxLength is ${maxLength}, expected a positive whole number.`);
  }
  const vocabulary = t5Vocabulary(files);
  const { added, endId, padId } = t5AddedTokens(files, vocabulary);
  const cut = unigram(vocabulary.pieces, vocabulary.unknownId);
  const normalize = charsmapNormalizer(vocabulary.charsmap, name);
  const asTyped = tokenSplitter(added.filter(({ normalized }) => !normalized));
  const inNormalized = tokenSplitter(
    added.filter(({ normalized }) => normalized).map((one) => ({ ...one, content: normalize(one.content) })),
  );

  const pieces = (text: string) => words(text).flatMap(cut);
  const tokens = (text: string) => asTyped(text, (between) => inNormalized(normalize(between), pieces));
  return {
    maxLength,
    vocabSize: added.reduce((size, { id }) => Math.max(size, id + 1), vocabulary.pieces.length),
    endId,
    padId,
    unknownId: vocabulary.unknownId,
    encode(text) {
      const all = tokens(text);
      const kept = all.slice(0, maxLength - 1);
      const ids = new Int32Array(maxLength).fill(padId);
      ids.set([...kept, endId]);
      const length = kept.length + 1;
      return { ids, mask: new Int32Array(maxLength).fill(1, 0, length), length, truncated: all.length - kept.length };
    },
  };
}

/** White space is Unicode's and not JavaScript's `\s`. Each word begins with `▁`, and a `▁` inside begins a further one. */
const words = (text: string): string[] =>
  text
    .split(/\p{White_Space}+/u)
    .filter((word) => word !== "")
    .flatMap((word) => (word.startsWith("▁") ? word : `▁${word}`).split(/(?=▁)/u));

/** The ids of a text in which each of `added` is one token, the longest where several match; `rest` tokenizes what is between. */
function tokenSplitter(added: readonly T5AddedToken[]): (text: string, rest: (text: string) => number[]) => number[] {
  const ids = new Map(added.filter(({ content }) => content !== "").map(({ content, id }) => [content, id]));
  if (ids.size === 0) return (text, rest) => rest(text);
  const longestFirst = [...ids.keys()].sort((a, b) => b.length - a.length);
  const pattern = new RegExp(`(${longestFirst.map((content) => content.replace(/[\\^$.*+?()[\]{}|]/g, "\\$&")).join("|")})`);
  return (text, rest) => text.split(pattern).flatMap((part, index) => (index % 2 === 1 ? (ids.get(part) as number) : rest(part)));
}

/** T5's tokenizer from its folder: spiece.model, or tokenizer.json, or both. */
export const readT5Tokenizer = async (folder: Folder, options: T5TokenizerOptions = {}): Promise<T5Tokenizer> =>
  t5Tokenizer(await readT5TokenizerFiles(folder), options);
