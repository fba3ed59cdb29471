import { SnoopiError } from "@snoopi/core";
import type { JsonObject } from "../checkpoint/folder.ts";
import type { ClipTokenizerFiles } from "./clip-files.ts";

const pieces = "<\\|startoftext\\|>|<\\|endoftext\\|>|'s|'t|'re|'ve|'m|'ll|'d|[\\p{L}]+|[\\p{N}]|[^\\s\\p{L}\\p{N}]+";

export type TokenizerJson = JsonObject & { readonly model: JsonObject & { readonly vocab: Readonly<Record<string, number>> } };

/** tokenizer.json, or the same made of vocab.json and merges.txt: what transformers 5 writes for such a folder. */
export function tokenizerJson(files: ClipTokenizerFiles): TokenizerJson {
  const name = files.name ?? "tokenizer";
  if (files.tokenizer !== undefined) {
    const model = files.tokenizer.model as { type?: string; vocab?: unknown } | undefined;
    if (model?.type !== "BPE" || typeof model.vocab !== "object") {
      throw new SnoopiError(`${name}/tokenizer.json: the model is ${JSON.stringify(model?.type ?? null)}, only CLIP's "BPE" is supported.`);
    }
    return files.tokenizer as TokenizerJson;
  }
  const missing = [files.vocab === undefined && "vocab.json", files.merges === undefined && "merges.txt"].filter(Boolean);
  if (files.vocab === undefined || files.merges === undefined) {
    throw new SnoopiError(`${name}: there is no ${missing.join(" and no ")}, and no tokenizer.json either.`);
  }
  const wrong = Object.entries(files.vocab).find(([, id]) => !Number.isSafeInteger(id) || (id as number) < 0);
  if (wrong) throw new SnoopiError(`${name}/vocab.json: the token ${JSON.stringify(wrong[0])} has the id ${JSON.stringify(wrong[1])}.`);
  return {
    version: "1.0",
    added_tokens: [],
    normalizer: {
      type: "Sequence",
      normalizers: [{ type: "NFC" }, { type: "Replace", pattern: { Regex: "\\s+" }, content: " " }, { type: "Lowercase" }],
    },
    pre_tokenizer: {
      type: "Sequence",
      pretokenizers: [
        { type: "Split", pattern: { Regex: pieces }, behavior: "Removed", invert: true },
        { type: "ByteLevel", add_prefix_space: false, trim_offsets: true, use_regex: true },
      ],
    },
    post_processor: null,
    decoder: { type: "ByteLevel", add_prefix_space: true, trim_offsets: true, use_regex: true },
    model: {
      type: "BPE",
      unk_token: "<|endoftext|>",
      continuing_subword_prefix: "",
      end_of_word_suffix: "</w>",
      fuse_unk: false,
      vocab: files.vocab as Readonly<Record<string, number>>,
      merges: mergesOf(files.merges, name),
    },
  };
}

/** The pairs of merges.txt, without its version line. */
export function mergesOf(text: string, name: string): [string, string][] {
  const lines = text.split(/\r?\n/);
  const first = lines[0]?.startsWith("#version") ? 1 : 0;
  const merges: [string, string][] = [];
  for (let line = first; line < lines.length; line++) {
    if (lines[line] === "") continue;
    const pair = lines[line].split(" ");
    if (pair.length !== 2)
      throw new SnoopiError(`${name}/merges.txt: line ${line + 1} is ${JSON.stringify(lines[line])}, not two symbols.`);
    merges.push([pair[0], pair[1]]);
  }
  return merges;
}
