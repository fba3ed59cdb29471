import { clipTokenizer } from "@snoopi/models";
import { expect, test } from "vitest";
import { captions } from "./caption.ts";
import { promptLength, worldVocabulary } from "./vocabulary.ts";

const vocabulary = worldVocabulary();
const tokenizer = clipTokenizer(vocabulary);
const { vocab } = vocabulary;
const tokens = Object.keys(vocab).sort((a, b) => vocab[a] - vocab[b]);

test("CLIP's tokenizer reads every caption as one token a word, and the tokens spell the caption", () => {
  for (const caption of captions) {
    const { ids, length, truncated } = tokenizer.encode(caption);
    expect([ids.length, truncated]).toEqual([promptLength, 0]);
    expect([ids[0], ids[length - 1]]).toEqual([tokenizer.startId, tokenizer.endId]);
    expect(ids.slice(length).every((id) => id === tokenizer.padId)).toBe(true);
    expect(length).toBe(caption.split(" ").length + 2);
    const text = [...ids.slice(1, length - 1)].map((id) => tokens[id]).join("");
    expect(text.replaceAll("</w>", " ").trim()).toBe(caption);
  }
});

test("ids are 0 to the vocabulary's size less one, with start and end last, as in CLIP", () => {
  expect(tokens.map((token) => vocab[token])).toEqual(tokens.map((_, i) => i));
  expect([tokenizer.startId, tokenizer.endId, tokenizer.vocabSize]).toEqual([tokens.length - 2, tokens.length - 1, tokens.length]);
});

test("a word that no caption has is spelled in bytes", () => {
  const { ids, length } = tokenizer.encode("é");
  expect(length).toBe(4);
  expect([...ids.slice(1, 3)].map((id) => tokens[id])).toEqual(["Ã", "©</w>"]);
});
