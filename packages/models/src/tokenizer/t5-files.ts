import { SnoopiError } from "@snoopi/core";
import { type Folder, type JsonObject, readJson } from "../checkpoint/folder.ts";
import { readExactly } from "../checkpoint/source.ts";
import { parseSentencePiece } from "./spiece.ts";
import type { Piece } from "./unigram.ts";

/** The contents of a tokenizer folder. `tokenizer` or `spiece` must be there; `tokenizer` wins, as in transformers. */
export interface T5TokenizerFiles {
  /** Shown in errors. */
  readonly name?: string;
  /** tokenizer.json */
  readonly tokenizer?: JsonObject | undefined;
  /** spiece.model */
  readonly spiece?: Uint8Array | undefined;
  /** tokenizer_config.json */
  readonly config?: JsonObject | undefined;
  /** added_tokens.json: token → id. */
  readonly addedTokens?: JsonObject | undefined;
  /** special_tokens_map.json */
  readonly specialTokens?: JsonObject | undefined;
}

/** Reads what there is of a tokenizer's folder. */
export async function readT5TokenizerFiles(folder: Folder): Promise<T5TokenizerFiles> {
  const names = await folder.list();
  const json = (name: string) => (names.includes(name) ? readJson(folder, name) : undefined);
  // tokenizer.json holds all that spiece.model does.
  const whole = names.includes("tokenizer.json");
  return {
    name: folder.name,
    tokenizer: await json("tokenizer.json"),
    spiece: !whole && names.includes("spiece.model") ? await readWhole(folder, "spiece.model") : undefined,
    config: await json("tokenizer_config.json"),
    addedTokens: await json("added_tokens.json"),
    specialTokens: await json("special_tokens_map.json"),
  };
}

async function readWhole(folder: Folder, path: string): Promise<Uint8Array> {
  const source = await folder.open(path);
  try {
    return await readExactly(source, { start: 0, end: source.size, name: `${folder.name}/${path}` });
  } finally {
    await source.close?.();
  }
}

export interface T5Vocabulary {
  /** A piece's index is its id. */
  readonly pieces: readonly Piece[];
  readonly unknownId: number;
  /** See `charsmapNormalizer`; empty when there is none. */
  readonly charsmap: Uint8Array;
  /** Pieces that are looked for in the text before anything else. */
  readonly controls: readonly string[];
}

/** The names of T5's sentinels. They end the vocabulary, the last first: `<extra_id_0>` has the largest id. */
export const sentinels = (count: number): string[] => Array.from({ length: count }, (_, index) => `<extra_id_${index}>`);

/**
 * The vocabulary of tokenizer.json or, with sentinels appended, of spiece.model. Of the normalizer in tokenizer.json only the charsmap
 * counts, and what either file says about splitting text is ignored: transformers 5 splits it in its own way for every T5.
 */
export function t5Vocabulary(files: T5TokenizerFiles): T5Vocabulary {
  const name = files.name ?? "tokenizer";
  if (files.tokenizer !== undefined) return ofTokenizerJson(files.tokenizer, `${name}/tokenizer.json`);
  if (files.spiece === undefined) throw new SnoopiError(`${name}: there is no tokenizer.json and no spiece.model.`);
  const extra = files.config?.extra_ids ?? 100;
  if (!Number.isSafeInteger(extra) || (extra as number) < 0) {
    throw new SnoopiError(`${name}/tokenizer_config.json: extra_ids is ${JSON.stringify(extra)}, expected the number of sentinels.`);
  }
  const { pieces, types, charsmap } = parseSentencePiece(files.spiece, `${name}/spiece.model`);
  const unknownId = types.indexOf(2);
  if (unknownId < 0) throw new SnoopiError(`${name}/spiece.model: none of the ${pieces.length} pieces is of type 2, the unknown token.`);
  return {
    pieces: [
      ...pieces,
      ...sentinels(extra as number)
        .map((text): Piece => [text, 0])
        .reverse(),
    ],
    unknownId,
    charsmap,
    controls: pieces.flatMap(([text], id) => (types[id] === 3 || types[id] === 4 ? [text] : [])),
  };
}

function ofTokenizerJson(json: JsonObject, name: string): T5Vocabulary {
  const model = json.model as { type?: string; vocab?: unknown; unk_id?: unknown } | null | undefined;
  if (model?.type !== "Unigram" || !Array.isArray(model.vocab)) {
    throw new SnoopiError(`${name}: the model is ${JSON.stringify(model?.type ?? null)}, only T5's "Unigram" is supported.`);
  }
  const wrong = model.vocab.findIndex((piece) => typeof piece?.[0] !== "string" || typeof piece[1] !== "number");
  if (wrong >= 0) {
    throw new SnoopiError(`${name}: piece ${wrong} is ${JSON.stringify(model.vocab[wrong])}, expected a text and its score.`);
  }
  const pieces = model.vocab as readonly Piece[];
  const unknownId = model.unk_id as number;
  if (!Number.isSafeInteger(unknownId) || unknownId < 0 || unknownId >= pieces.length) {
    throw new SnoopiError(`${name}: unk_id is ${JSON.stringify(model.unk_id ?? null)}, expected one of the ${pieces.length} pieces.`);
  }
  return { pieces, unknownId, charsmap: charsmapOf(json.normalizer, name), controls: [] };
}

/** The charsmap of the first `Precompiled` in a normalizer. */
function charsmapOf(normalizer: unknown, name: string): Uint8Array {
  const one = (normalizer ?? {}) as { type?: string; normalizers?: unknown[]; precompiled_charsmap?: unknown };
  const all = (one.type === "Sequence" ? (one.normalizers ?? []) : [one]) as (typeof one)[];
  const text = all.find(({ type }) => type === "Precompiled")?.precompiled_charsmap ?? "";
  try {
    return Uint8Array.from(atob(text as string), (character) => character.charCodeAt(0));
  } catch {
    throw new SnoopiError(`${name}: the precompiled_charsmap is not base64. Download the file again.`);
  }
}
