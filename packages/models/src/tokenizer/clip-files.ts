import { SnoopiError } from "@snoopi/core";
import { type Folder, type JsonObject, readJson } from "../checkpoint/folder.ts";

/** The contents of a tokenizer folder. Either `tokenizer`, or `vocab` and `merges`, must be there. */
export interface ClipTokenizerFiles {
  /** Shown in errors. */
  readonly name?: string;
  /** tokenizer.json */
  readonly tokenizer?: JsonObject | undefined;
  /** vocab.json: token → id. */
  readonly vocab?: JsonObject | undefined;
  /** merges.txt */
  readonly merges?: string | undefined;
  /** tokenizer_config.json */
  readonly config?: JsonObject | undefined;
  /** added_tokens.json: token → id. */
  readonly addedTokens?: JsonObject | undefined;
  /** special_tokens_map.json */
  readonly specialTokens?: JsonObject | undefined;
}

/** Reads what there is of a tokenizer's folder. */
export async function readClipTokenizerFiles(folder: Folder): Promise<ClipTokenizerFiles> {
  const names = await folder.list();
  const json = (name: string) => (names.includes(name) ? readJson(folder, name) : undefined);
  // tokenizer.json holds all that the other two do.
  const whole = names.includes("tokenizer.json");
  return {
    name: folder.name,
    tokenizer: await json("tokenizer.json"),
    vocab: whole ? undefined : await json("vocab.json"),
    merges: !whole && names.includes("merges.txt") ? await folder.text("merges.txt") : undefined,
    config: await json("tokenizer_config.json"),
    addedTokens: await json("added_tokens.json"),
    specialTokens: await json("special_tokens_map.json"),
  };
}

export interface AddedToken {
  readonly id: number;
  readonly content: string;
  /** Whether it is matched in the normalized text, so that `<|ENDOFTEXT|>` counts, or in the text as typed. */
  readonly normalized: boolean;
  readonly special: boolean;
  readonly lstrip: boolean;
  readonly rstrip: boolean;
  readonly single_word: boolean;
}

export type SpecialRole = "bos_token" | "eos_token" | "unk_token" | "pad_token";
const standard: Readonly<Record<SpecialRole, string>> = {
  bos_token: "<|startoftext|>",
  eos_token: "<|endoftext|>",
  unk_token: "<|endoftext|>",
  pad_token: "<|endoftext|>",
};
const roles = Object.keys(standard) as SpecialRole[];

/**
 * The special tokens and how they are matched: what transformers 5 makes of the same files. special_tokens_map.json wins over
 * tokenizer_config.json: SD2.1's files disagree about the padding, and the model was trained with the former's `!`. But `added_tokens_decoder`
 * in the latter, of transformers 4.34 and later, overrides all that older files say of tokens. A token given as plain text is matched as
 * typed; the last role that names a token decides.
 */
export function specialTokens(files: ClipTokenizerFiles, idOf: (token: string) => number | undefined) {
  const name = files.name ?? "tokenizer";
  const content = {} as Record<SpecialRole, string>;
  const added = new Map<string, AddedToken>();
  const { config = {}, specialTokens = {} } = files;
  const current = config.added_tokens_decoder === undefined ? { ...config, ...specialTokens } : config;
  for (const token of givenTokens(files, current)) added.set(token.content, token);
  const given = new Set(added.keys());
  for (const role of roles) {
    const value = current[role] ?? standard[role];
    const token = typeof value === "string" ? { content: value } : (value as Partial<AddedToken>);
    if (typeof token !== "object" || typeof token.content !== "string") {
      throw new SnoopiError(`${name}: ${role} is ${JSON.stringify(value)}, not a token.`);
    }
    content[role] = token.content;
    if (given.has(token.content)) continue;
    const id = idOf(token.content);
    if (id === undefined) throw new SnoopiError(`${name}: ${role} is ${JSON.stringify(token.content)}, which the vocabulary lacks.`);
    added.set(token.content, addedToken(id, { normalized: typeof value !== "string", special: true, ...token }));
  }
  return { content, added: [...added.values()].sort((a, b) => a.id - b.id) };
}

/** Tokens that are listed with their ids: in tokenizer_config.json, else in the older files, where tokenizer.json comes last and wins. */
function givenTokens({ name = "tokenizer", addedTokens = {}, tokenizer, config }: ClipTokenizerFiles, current: JsonObject): AddedToken[] {
  const decoder = config?.added_tokens_decoder as Readonly<Record<string, Partial<AddedToken>>> | undefined;
  // transformers 5 ignores the same key of special_tokens_map.json here.
  const others = config?.extra_special_tokens ?? config?.additional_special_tokens;
  const named = [...roles.map((role) => current[role]), ...(Array.isArray(others) ? others : [])];
  const special = new Set(named.map((token) => token?.content ?? token));
  const listed = Array.isArray(tokenizer?.added_tokens) ? (tokenizer.added_tokens as Partial<AddedToken>[]) : [];
  const all = decoder
    ? Object.entries(decoder).map(([id, token]) => ({ ...token, id: Number(id) }))
    : [...Object.entries(addedTokens).map(([content, id]) => ({ content, id: id as number, special: special.has(content) })), ...listed];
  return all.map((token) => {
    if (typeof token.content !== "string" || !Number.isSafeInteger(token.id)) {
      throw new SnoopiError(`${name}: the added token ${JSON.stringify(token)} lacks its content or its id.`);
    }
    return addedToken(token.id as number, token);
  });
}

const addedToken = (id: number, token: Partial<AddedToken>): AddedToken => ({
  id,
  content: token.content ?? "",
  normalized: token.normalized ?? !token.special,
  special: token.special ?? false,
  lstrip: token.lstrip ?? false,
  rstrip: token.rstrip ?? false,
  single_word: token.single_word ?? false,
});
