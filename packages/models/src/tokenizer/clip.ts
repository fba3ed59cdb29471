import { Tokenizer } from "@huggingface/tokenizers";
import { SnoopiError } from "@snoopi/core";
import type { Folder } from "../checkpoint/folder.ts";
import { type ClipTokenizerFiles, readClipTokenizerFiles, specialTokens } from "./clip-files.ts";
import { tokenizerJson } from "./clip-json.ts";
import { unicodeSpaces } from "./whitespace.ts";

export interface EncodedPrompt {
  /** `maxLength` ids: start, the text, end, padding. */
  readonly ids: Int32Array;
  /** How many of them are not padding. */
  readonly length: number;
  /** How many tokens of the text did not fit and were left out. */
  readonly truncated: number;
}

export interface ClipTokenizer {
  /** Ids in a prompt, start and end included: 77 for every published CLIP. */
  readonly maxLength: number;
  /** One more than the largest id. The text encoder's table must be at least as long. */
  readonly vocabSize: number;
  readonly startId: number;
  readonly endId: number;
  readonly padId: number;
  encode(text: string): EncodedPrompt;
}

/**
 * CLIP's tokenizer from the contents of its folder. Its ids equal those of transformers 5. `maxPositions` is the length of the text
 * encoder's position table; the config's `model_max_length` is cut to it.
 */
export function clipTokenizer(files: ClipTokenizerFiles, options: { maxPositions?: number } = {}): ClipTokenizer {
  const name = files.name ?? "tokenizer";
  const json = tokenizerJson(files);
  const { vocab } = json.model;
  const idOf = (token: string) => (Object.hasOwn(vocab, token) ? vocab[token] : undefined);
  const special = specialTokens(files, idOf);
  const idOfRole = (role: keyof typeof special.content) => {
    const token = special.added.find(({ content }) => content === special.content[role]);
    return token?.id ?? idOf(special.content[role]) ?? -1;
  };
  const [startId, endId, padId] = [idOfRole("bos_token"), idOfRole("eos_token"), idOfRole("pad_token")];

  // Start and end are put around the text below, where the length is known.
  const tokenizer = new Tokenizer({ ...unicodeSpaces(json), added_tokens: special.added, post_processor: null }, {});
  // JavaScript lowercases Σ to ς at the end of a word; the reference, and so the trained models, to σ everywhere. No other
  // letter depends on its neighbours.
  const lowercases = JSON.stringify(json.normalizer ?? null).includes('"Lowercase"');
  // The space is dropped again. Without it, the library takes a text that becomes a special token only by lowercasing for that token.
  const prepare = (text: string) => ` ${lowercases ? text.replaceAll("Σ", "σ") : text}`;

  const maxLength = promptLength(files, options.maxPositions ?? 77);
  if (maxLength < 2) throw new SnoopiError(`${name}: model_max_length is ${maxLength}, too short for a start and an end.`);
  return {
    maxLength,
    vocabSize: 1 + Object.values(vocab).reduce((most, id) => Math.max(most, id), Math.max(...special.added.map(({ id }) => id))),
    startId,
    endId,
    padId,
    encode(text) {
      const all: readonly number[] = tokenizer.encode(prepare(text), { add_special_tokens: false }).ids;
      const kept = all.slice(0, maxLength - 2);
      const ids = new Int32Array(maxLength).fill(padId);
      ids.set([startId, ...kept, endId]);
      return { ids, length: kept.length + 2, truncated: all.length - kept.length };
    },
  };
}

/** transformers writes 10^30 for "no limit". */
function promptLength(files: ClipTokenizerFiles, maxPositions: number): number {
  const given = files.config?.model_max_length;
  if (given === undefined || given === null) return maxPositions;
  if (typeof given !== "number" || !Number.isInteger(given) || given < 1) {
    throw new SnoopiError(`${files.name ?? "tokenizer"}: model_max_length is ${JSON.stringify(given)}, expected a positive whole number.`);
  }
  return Math.min(given, maxPositions);
}

/** CLIP's tokenizer from its folder: vocab.json and merges.txt, or tokenizer.json, or all of them. */
export const readClipTokenizer = async (folder: Folder, options: { maxPositions?: number } = {}): Promise<ClipTokenizer> =>
  clipTokenizer(await readClipTokenizerFiles(folder), options);
