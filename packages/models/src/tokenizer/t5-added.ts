import { SnoopiError } from "@snoopi/core";
import type { JsonObject } from "../checkpoint/folder.ts";
import { sentinels, type T5TokenizerFiles, type T5Vocabulary } from "./t5-files.ts";

/** A token that is looked for as a whole, before the text is cut into pieces. */
export interface T5AddedToken {
  readonly id: number;
  readonly content: string;
  /** Whether it is matched in the normalized text or, as nearly always, in the text as typed. */
  readonly normalized: boolean;
}

type Fields = { readonly content?: unknown; readonly normalized?: unknown; readonly special?: unknown; readonly single_word?: unknown };

const standard: JsonObject = { eos_token: "</s>", unk_token: "<unk>", pad_token: "<pad>" };
const roles = ["bos_token", "eos_token", "unk_token", "sep_token", "pad_token", "cls_token", "mask_token"];

/**
 * The added tokens, and which of them end and pad a text: what transformers 5 makes of the same files. `added_tokens_decoder` of
 * tokenizer_config.json (written by transformers 4.34 and later) overrides special_tokens_map.json, added_tokens.json and the list in
 * tokenizer.json. The first to name a token decides how it is matched. `lstrip` and `rstrip` change no id, as T5 drops white space anyway.
 */
export function t5AddedTokens(files: T5TokenizerFiles, { pieces, controls }: T5Vocabulary) {
  const name = files.name ?? "tokenizer";
  const ids = new Map(pieces.map(([text], id) => [text, id]));
  const added = new Map<string, T5AddedToken>();
  let next = pieces.length;
  const add = (given: unknown, defaults: { id?: number; special?: boolean } = {}): T5AddedToken => {
    const token: Fields = typeof given === "string" ? { content: given, ...defaults } : { ...defaults, ...(given as Fields) };
    const { content } = token;
    if (typeof content !== "string" || content === "") {
      throw new SnoopiError(`${name}: the added token ${JSON.stringify(given)} lacks its content.`);
    }
    if (token.single_word === true) {
      throw new SnoopiError(`${name}: the added token ${JSON.stringify(content)} has single_word, which is not supported.`);
    }
    const id = added.get(content)?.id ?? ids.get(content) ?? defaults.id ?? next;
    if (!Number.isSafeInteger(id) || id < 0) throw new SnoopiError(`${name}: the added token ${JSON.stringify(content)} has the id ${id}.`);
    next = Math.max(next, id + 1);
    const one = added.get(content) ?? { id, content, normalized: (token.normalized ?? !token.special) === true };
    added.set(content, one);
    return one;
  };

  const { config = {}, specialTokens = {} } = files;
  const decoder = config.added_tokens_decoder as JsonObject | undefined;
  const current = decoder === undefined ? { ...config, ...specialTokens } : config;
  const { extra_special_tokens: extra, additional_special_tokens: additional } = config;
  const listed = Array.isArray(extra) && (extra.length > 0 || additional === undefined) ? extra : additional;
  const named = roles.flatMap((role): [string, unknown][] => {
    const value = current[role] === undefined ? standard[role] : current[role];
    return value === undefined || value === null ? [] : [[role, value]];
  });

  for (const [id, token] of Object.entries(decoder ?? {})) add(token, { id: Number(id) });
  if (decoder === undefined) {
    const contents = new Set([...named.map(([, value]) => value), ...(Array.isArray(listed) ? listed : [])].map(contentOf));
    for (const [token, id] of Object.entries(files.addedTokens ?? {})) add(token, { id: id as number, special: contents.has(token) });
    for (const token of (files.tokenizer?.added_tokens ?? []) as { id: number }[]) add(token, { id: token.id });
  }
  const byRole = new Map(named.map(([role, value]) => [role, add(value, { special: true })]));
  for (const token of Array.isArray(listed) ? listed : [...controls, ...sentinels((config.extra_ids as number) ?? 100)]) {
    add(token, { special: true });
  }
  const idOfRole = (role: string) => {
    const token = byRole.get(role);
    if (token === undefined) throw new SnoopiError(`${name}: ${role} is null, and T5 cannot do without.`);
    return token.id;
  };
  return { added: [...added.values()], endId: idOfRole("eos_token"), padId: idOfRole("pad_token") };
}

const contentOf = (token: unknown) => (typeof token === "string" ? token : (token as Fields | null)?.content);
