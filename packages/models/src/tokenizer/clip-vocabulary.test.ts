import { createHash } from "node:crypto";
import { readFileSync } from "node:fs";
import { join } from "node:path";
import { expect, test } from "vitest";
import merges from "../../data/clip-merges.mjs";
import { clipVocabulary } from "./clip-vocabulary.ts";

test("the merges are the bytes that are published", () => {
  expect(createHash("sha256").update(merges).digest("hex")).toBe("9fd691f7c8039210e0fced15865466c65820d09b63988b0174bfe25de299051a");
  expect(merges.trimEnd().split("\n")).toHaveLength(1 + 48_894);
});

test("CLIP's vocabulary follows from them", () => {
  const vocabulary = clipVocabulary(merges);
  const ids = Object.values(vocabulary).sort((a, b) => a - b);
  expect(ids).toEqual(Array.from({ length: 49_408 }, (_, id) => id));
  const known = { "!": 0, "!</w>": 256, "a</w>": 320, "cat</w>": 2368, "<|startoftext|>": 49_406, "<|endoftext|>": 49_407 };
  expect(vocabulary).toMatchObject(known);
});

test.each(["sd15-tiny", "sd21-tiny"])("that of %s follows from its own", (checkpoint) => {
  const text = (file: string) => readFileSync(join(import.meta.dirname, "../../../../test/golden", checkpoint, "tokenizer", file), "utf8");
  expect(clipVocabulary(text("merges.txt"))).toEqual(JSON.parse(text("vocab.json")));
});
