import { readFileSync } from "node:fs";
import { join } from "node:path";
import { Tokenizer } from "@huggingface/tokenizers";
import { SnoopiError } from "@snoopi/core";
import fc from "fast-check";
import { expect, test } from "vitest";
import { filesFolder, type JsonObject } from "../checkpoint/folder.ts";
import { nodeFolder } from "../checkpoint/node-folder.ts";
import { readT5Tokenizer, type T5Tokenizer, t5Tokenizer } from "./t5.ts";
import type { T5TokenizerFiles } from "./t5-files.ts";

const golden = join(import.meta.dirname, "../../../../test/golden/t5-tokenizer");
interface Golden {
  maxLength: number;
  vocabSize: number;
  endId: number;
  padId: number;
  unknownId: number;
  cases: { name: string; text: string; ids: number[] }[];
  probes: string[];
  variants: { name: string; files: Record<string, JsonObject>; padId: number; vocabSize: number; ids: number[][] }[];
}
const expected: Golden = JSON.parse(readFileSync(join(golden, "ids.json"), "utf8"));
const { maxLength, vocabSize, endId, padId, unknownId } = expected;
const spiece = new Uint8Array(readFileSync(join(golden, "spiece/spiece.model")));
const json: JsonObject & { model: JsonObject } = JSON.parse(readFileSync(join(golden, "json/tokenizer.json"), "utf8"));

const textIds = (tokenizer: T5Tokenizer, text: string) => {
  const { ids, length } = tokenizer.encode(text);
  return [...ids.slice(0, length - 1)];
};

test.each(["spiece", "json"])("the ids of the folder %s equal those of transformers", async (form) => {
  const tokenizer = await readT5Tokenizer(nodeFolder(join(golden, form)), { maxLength });
  expect(tokenizer).toMatchObject({ maxLength, vocabSize, endId, padId, unknownId });
  expect(expected.cases.length).toBeGreaterThan(60);
  for (const { name, text, ids } of expected.cases) {
    const padding = maxLength - ids.length;
    const encoded = tokenizer.encode(text);
    expect([...encoded.ids], name).toEqual([...ids, ...Array(padding).fill(padId)]);
    expect([...encoded.mask], name).toEqual([...ids.map(() => 1), ...Array(padding).fill(0)]);
  }
});

test.each(expected.variants)("with the files of $name the ids equal those of transformers", (variant) => {
  const { files } = variant;
  const tokenizer = t5Tokenizer({
    spiece,
    config: files["tokenizer_config.json"],
    addedTokens: files["added_tokens.json"],
    specialTokens: files["special_tokens_map.json"],
  });
  expect(tokenizer).toMatchObject({ padId: variant.padId, vocabSize: variant.vocabSize });
  for (const [index, text] of expected.probes.entries()) {
    expect([...textIds(tokenizer, text), tokenizer.endId], text).toEqual(variant.ids[index]);
  }
});

test("a prompt is the text, the end and padding on the right, 120 ids in all unless told otherwise", () => {
  const { ids, mask, length, truncated } = t5Tokenizer({ spiece }).encode("a cat");
  expect([ids.length, mask.length, truncated]).toEqual([120, 120, 0]);
  expect([...ids.slice(length - 1, length + 2)]).toEqual([endId, padId, padId]);
  expect([...mask]).toEqual([...ids].map((_, index) => (index < length ? 1 : 0)));
  const empty = t5Tokenizer({ spiece }, { maxLength: 4 }).encode("");
  expect([[...empty.ids], [...empty.mask], empty.length]).toEqual([[1, 0, 0, 0], [1, 0, 0, 0], 1]);
});

test("a long prompt keeps its beginning and the end token, and says how much it lost", () => {
  const { ids, mask, length, truncated } = t5Tokenizer({ spiece }, { maxLength: 5 }).encode("a ".repeat(7));
  const a = textIds(t5Tokenizer({ spiece }), "a")[0];
  expect([[...ids], [...mask], length, truncated]).toEqual([[a, a, a, a, endId], [1, 1, 1, 1, 1], 5, 3]);
  expect([...t5Tokenizer({ spiece }, { maxLength: 1 }).encode("a").ids]).toEqual([endId]);
});

test("any text at all gives the same ids of the vocabulary from either file", () => {
  const [one, other] = [t5Tokenizer({ spiece }), t5Tokenizer({ tokenizer: json })];
  fc.assert(
    fc.property(fc.string({ unit: "binary", maxLength: 60 }), (text) => {
      const { ids, length, truncated } = one.encode(text);
      expect([...other.encode(text).ids]).toEqual([...ids]);
      expect(ids.every((id) => id >= 0 && id < vocabSize)).toBe(true);
      expect(ids[length - 1]).toBe(endId);
      expect(truncated === 0 || length === 120).toBe(true);
    }),
  );
});

test("where no rule normalizes, the ids equal those of another implementation", () => {
  const plain = { ...json, normalizer: null };
  const tokenizer = t5Tokenizer({ tokenizer: plain });
  const oracle = new Tokenizer({ ...plain, post_processor: null }, {});
  const vocabulary = (json.model.vocab as [string, number][]).map(([text]) => text);
  const part = fc.oneof(
    fc.constantFrom(...vocabulary),
    fc.constantFrom(" ", "\n", "a", "the", "cat"),
    fc.string({ unit: "binary", maxLength: 3 }),
  );
  fc.assert(
    fc.property(fc.array(part, { maxLength: 20 }), (parts) => {
      // The other one takes U+FEFF for white space, U+0085 for none, and does not part words at ▁.
      const text = parts.join("").replace(/[\uFEFF\u0085▁]/g, " ");
      expect(textIds(tokenizer, text)).toEqual([...oracle.encode(text, { add_special_tokens: false }).ids].slice(0, 119));
    }),
  );
});

/** A tokenizer of a few pieces that are not trained, and of added tokens. */
const few = (pieces: readonly (readonly [string, number])[], added: readonly string[] = []) =>
  t5Tokenizer({
    tokenizer: { model: { type: "Unigram", unk_id: 2, vocab: [["<pad>", 0], ["</s>", 0], ["<unk>", 0], ...pieces] } },
    config: { added_tokens_decoder: Object.fromEntries(added.map((content, index) => [50 + index, { content, normalized: false }])) },
  });

// The ids of these two are those of the Rust tokenizers.
test("every ▁ begins a word, also where a piece holds two", () => {
  const pieces: [string, number][] = [
    ["▁", -2],
    ["▁▁", -2.5],
    ["a", -3],
    ["▁a▁a", -3.5],
  ];
  const ids = (text: string) => textIds(few(pieces), text).map((id) => pieces[id - 3][0]);
  expect(ids("a▁a")).toEqual(["▁", "a", "▁", "a"]);
  expect(ids("▁▁a")).toEqual(["▁", "▁", "a"]);
  expect(ids("▁")).toEqual(["▁"]);
});

test("of two added tokens that begin alike the longer is found", () => {
  const tokenizer = few(
    [
      ["▁", -2],
      ["a", -3],
    ],
    ["<b>", "<b>a", "<b"],
  );
  expect([textIds(tokenizer, "<b>a"), textIds(tokenizer, "<b>"), textIds(tokenizer, "<b a")]).toEqual([[51], [50], [52, 3, 4]]);
});

const files = (contents: Readonly<Record<string, string | Uint8Array<ArrayBuffer>>>) =>
  filesFolder(new Map(Object.entries(contents).map(([name, content]) => [name, new Blob([content])])), "m/tokenizer");

test("tokenizer.json wins over spiece.model, of which nothing is then read", async () => {
  const tokenizer = await readT5Tokenizer(files({ "tokenizer.json": JSON.stringify(json), "spiece.model": "no model" }));
  expect(textIds(tokenizer, "a cat")).toEqual(textIds(t5Tokenizer({ spiece }), "a cat"));
});

test.each<[string, Readonly<Record<string, string | Uint8Array<ArrayBuffer>>>, string]>([
  ["neither file", { "tokenizer_config.json": "{}" }, "m/tokenizer: there is no tokenizer.json and no spiece.model."],
  [
    "the tokenizer.json of CLIP",
    { "tokenizer.json": '{"model": {"type": "BPE", "vocab": {}}}' },
    'm/tokenizer/tokenizer.json: the model is "BPE", only T5\'s "Unigram" is supported.',
  ],
  ["a tokenizer.json without a model", { "tokenizer.json": "{}" }, "m/tokenizer/tokenizer.json: the model is null, only"],
  ["half a spiece.model", { "spiece.model": spiece.slice(0, 2000) }, "m/tokenizer/spiece.model: "],
  ["a spiece.model that Git LFS left", { "spiece.model": "version https://git-lfs" }, "m/tokenizer/spiece.model: field 14 is of"],
])("a folder with %s is refused", async (_, contents, message) => {
  const reading = readT5Tokenizer(files(contents));
  await expect(reading).rejects.toThrow(SnoopiError);
  await expect(reading).rejects.toThrow(message);
});

const model = { type: "Unigram", unk_id: 2, vocab: json.model.vocab };
test.each<[string, T5TokenizerFiles, string]>([
  [
    "a piece without a score",
    { tokenizer: { model: { ...model, vocab: [["a", 0], ["b"]] } } },
    'tokenizer/tokenizer.json: piece 1 is ["b"]',
  ],
  [
    "no unknown token",
    { tokenizer: { model: { ...model, unk_id: null } } },
    "tokenizer/tokenizer.json: unk_id is null, expected one of the",
  ],
  [
    "a charsmap that is no base64",
    { tokenizer: { model, normalizer: { type: "Precompiled", precompiled_charsmap: "?" } } },
    "tokenizer/tokenizer.json: the precompiled_charsmap is not base64.",
  ],
  [
    "half a sentinel",
    { spiece, config: { extra_ids: 0.5 } },
    "tokenizer/tokenizer_config.json: extra_ids is 0.5, expected the number of sentinels.",
  ],
  ["no padding", { spiece, config: { pad_token: null } }, "tokenizer: pad_token is null, and T5 cannot do without."],
  ["a padding that is no token", { spiece, config: { pad_token: 3 } }, "tokenizer: the added token 3 lacks its content."],
  ["an added token without an id", { spiece, addedTokens: { "<x>": "1" } }, 'tokenizer: the added token "<x>" has the id 1.'],
  [
    "a token that must be a word",
    { spiece, config: { added_tokens_decoder: { 400: { content: "<x>", single_word: true } } } },
    'tokenizer: the added token "<x>" has single_word, which is not supported.',
  ],
])("a tokenizer with %s is refused", (_, contents, message) => {
  expect(() => t5Tokenizer(contents)).toThrow(message);
});

test("a length that holds no end token is refused", () => {
  expect(() => t5Tokenizer({ spiece }, { maxLength: 0 })).toThrow("tokenizer: maxLength is 0, expected a positive whole number.");
});
