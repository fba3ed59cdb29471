import { readdirSync, readFileSync } from "node:fs";
import { join } from "node:path";
import fc from "fast-check";
import { expect, test } from "vitest";
import type { JsonObject } from "../checkpoint/folder.ts";
import { nodeFolder } from "../checkpoint/node-folder.ts";
import { clipTokenizer, readClipTokenizer } from "./clip.ts";
import type { ClipTokenizerFiles } from "./clip-files.ts";
import { tokenizerJson } from "./clip-json.ts";

const golden = join(import.meta.dirname, "../../../../test/golden");
interface Golden {
  modelMaxLength: number;
  vocabSize: number;
  startId: number;
  endId: number;
  padId: number;
  cases: { name: string; text: string; ids: number[] }[];
}

const checkpoints = readdirSync(join(golden, "tokenizer")).map((file) => file.replace(".json", ""));

test.each(checkpoints)("the ids of %s equal those of transformers", async (checkpoint) => {
  const expected: Golden = JSON.parse(readFileSync(join(golden, "tokenizer", `${checkpoint}.json`), "utf8"));
  const tokenizer = await readClipTokenizer(nodeFolder(join(golden, checkpoint, "tokenizer")));
  expect(tokenizer).toMatchObject({
    maxLength: expected.modelMaxLength,
    vocabSize: expected.vocabSize,
    startId: expected.startId,
    endId: expected.endId,
    padId: expected.padId,
  });
  for (const { name, text, ids } of expected.cases) expect([...tokenizer.encode(text).ids], name).toEqual(ids);
});

interface Variants {
  probes: string[];
  variants: { name: string; files: Record<string, JsonObject>; vocabSize: number; padId: number; ids: number[][] }[];
}
const { probes, variants }: Variants = JSON.parse(readFileSync(join(golden, "clip-tokenizer.json"), "utf8"));
const textOf = (file: string) => readFileSync(join(golden, "sd15-tiny/tokenizer", file), "utf8");

test.each(variants)("with the files of $name the ids equal those of transformers", ({ files, vocabSize, padId, ids }) => {
  const words = { vocab: JSON.parse(textOf("vocab.json")), merges: textOf("merges.txt") };
  const listed = files["tokenizer.json"];
  const tokenizer = clipTokenizer({
    ...(listed ? { tokenizer: { ...tokenizerJson(words), added_tokens: listed } } : words),
    config: files["tokenizer_config.json"],
    addedTokens: files["added_tokens.json"],
    specialTokens: files["special_tokens_map.json"],
  });
  expect(tokenizer).toMatchObject({ vocabSize, padId });
  for (const [i, probe] of probes.entries()) {
    const encoded = tokenizer.encode(probe);
    expect([...encoded.ids.slice(0, encoded.length)], probe).toEqual(ids[i]);
    expect(encoded.ids.at(-1)).toBe(padId);
  }
});

/** A vocabulary in CLIP's order: bytes, bytes at a word's end, merges, start, end. */
function tiny(merges: readonly (readonly [string, string])[]): { vocab: Record<string, number>; merges: string } {
  const printable = [...Array(256).keys()].filter((byte) => (byte >= 33 && byte <= 126) || (byte >= 161 && byte <= 172) || byte >= 174);
  const others = Array.from({ length: 256 - printable.length }, (_, i) => 256 + i);
  const symbols = [...printable, ...others].map((code) => String.fromCharCode(code));
  const tokens = [
    ...symbols,
    ...symbols.map((symbol) => `${symbol}</w>`),
    ...merges.map(([a, b]) => a + b),
    "<|startoftext|>",
    "<|endoftext|>",
  ];
  return {
    vocab: Object.fromEntries(tokens.map((token, id) => [token, id])),
    merges: ["#version: 0.2", ...merges.map((pair) => pair.join(" ")), ""].join("\n"),
  };
}
const words = tiny([
  ["c", "a"],
  ["ca", "t</w>"],
  ["!", "!</w>"],
]);
const idOf = (token: string) => words.vocab[token];
const [start, end] = [idOf("<|startoftext|>"), idOf("<|endoftext|>")];
const text = (tokenizer: ReturnType<typeof clipTokenizer>, prompt: string) => {
  const { ids, length } = tokenizer.encode(prompt);
  return [...ids.slice(1, length - 1)];
};

test("a prompt is start, text, end and padding on the right", () => {
  const { ids, length, truncated } = clipTokenizer(words).encode("Cat  CAT!!");
  expect([...ids.slice(0, 6)]).toEqual([start, idOf("cat</w>"), idOf("cat</w>"), idOf("!!</w>"), end, end]);
  expect([ids.length, length, truncated]).toEqual([77, 5, 0]);
});

test("a long prompt keeps its beginning and the end token, and says how much it lost", () => {
  const { ids, length, truncated } = clipTokenizer(words).encode("cat ".repeat(80));
  expect([length, truncated, ids[76], ids[75]]).toEqual([77, 5, end, idOf("cat</w>")]);
});

test("`!` as padding is a token of its own wherever it stands", () => {
  const padded: ClipTokenizerFiles = { ...words, config: { pad_token: "<|endoftext|>" }, specialTokens: { pad_token: "!" } };
  const tokenizer = clipTokenizer(padded);
  expect(tokenizer.padId).toBe(0);
  expect(text(tokenizer, "cat!!! !")).toEqual([idOf("cat</w>"), 0, 0, 0, 0]);
  expect(tokenizer.encode("").ids[76]).toBe(0);
  expect(text(clipTokenizer(words), "cat!!")).toEqual([idOf("cat</w>"), idOf("!!</w>")]);
});

test("sigma becomes σ at a word's end, too", () => {
  const bytes = (letter: string) => text(clipTokenizer(words), letter);
  expect(bytes("ΑΣ")).toEqual(bytes("ασ"));
  expect(bytes("ΑΣ")).not.toEqual(bytes("ας"));
});

test("white space is Unicode's: U+0085 parts words, U+FEFF is a character like any other", () => {
  const tokenizer = clipTokenizer(words);
  expect(text(tokenizer, "cat\u0085cat")).toEqual(text(tokenizer, "cat cat"));
  expect(text(tokenizer, "!!\uFEFF").slice(0, 1)).toEqual([idOf("!")]);
  expect(text(tokenizer, "\uFEFF")).toHaveLength(3);
});

test("the length is the config's, but never beyond the position table", () => {
  const length = (config: Record<string, unknown>, maxPositions?: number) =>
    clipTokenizer({ ...words, config }, maxPositions === undefined ? {} : { maxPositions }).maxLength;
  expect(length({})).toBe(77);
  expect(length({ model_max_length: 64 })).toBe(64);
  expect(length({ model_max_length: 1e30 })).toBe(77);
  expect(length({ model_max_length: 1e30 }, 32)).toBe(32);
  expect(() => length({ model_max_length: "77" })).toThrow('tokenizer: model_max_length is "77", expected a positive whole number.');
  expect(() => length({ model_max_length: 1 })).toThrow("model_max_length is 1, too short");
});

test("any text at all becomes ids of the vocabulary", () => {
  const tokenizer = clipTokenizer(words);
  fc.assert(
    fc.property(fc.string({ unit: "binary", maxLength: 60 }), (prompt) => {
      const { ids, length, truncated } = tokenizer.encode(prompt);
      expect(ids.every((id) => id >= 0 && id < tokenizer.vocabSize)).toBe(true);
      expect([ids[0], ids[length - 1]]).toEqual([start, end]);
      expect(truncated === 0 || length === 77).toBe(true);
    }),
  );
});

test("words are tokenized one by one: a space more changes nothing, a word more only adds", () => {
  const tokenizer = clipTokenizer(words);
  fc.assert(
    fc.property(fc.array(fc.stringMatching(/^[a-z]{1,8}$/), { maxLength: 8 }), (list) => {
      expect(text(tokenizer, list.join("  "))).toEqual(list.flatMap((word) => text(tokenizer, word)));
    }),
  );
});

test.each<[string, ClipTokenizerFiles, string]>([
  ["no files", { name: "m/tokenizer" }, "m/tokenizer: there is no vocab.json and no merges.txt, and no tokenizer.json either."],
  ["no merges", { vocab: words.vocab }, "tokenizer: there is no merges.txt, and no tokenizer.json either."],
  ["a merge of three", { ...words, merges: "#version: 0.2\na b c" }, 'tokenizer/merges.txt: line 2 is "a b c", not two symbols.'],
  ["an id that is no number", { ...words, vocab: { ...words.vocab, x: "1" } }, 'tokenizer/vocab.json: the token "x" has the id "1".'],
  [
    "an unknown padding",
    { ...words, specialTokens: { pad_token: "<pad>" } },
    'tokenizer: pad_token is "<pad>", which the vocabulary lacks.',
  ],
  ["a padding that is no token", { ...words, specialTokens: { pad_token: 3 } }, "tokenizer: pad_token is 3, not a token."],
  ["another model", { tokenizer: { model: { type: "Unigram", vocab: [] } } }, 'tokenizer/tokenizer.json: the model is "Unigram"'],
])("a tokenizer with %s is refused", (_, files, message) => {
  expect(() => clipTokenizer(files)).toThrow(message);
});
