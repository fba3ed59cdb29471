import { readFileSync } from "node:fs";
import { join } from "node:path";
import { SnoopiError } from "@snoopi/core";
import fc from "fast-check";
import { expect, test } from "vitest";
import { charsmapNormalizer } from "./charsmap.ts";
import { parseSentencePiece } from "./spiece.ts";

const model = readFileSync(join(import.meta.dirname, "../../../../test/golden/t5-tokenizer/spiece/spiece.model"));
const { charsmap } = parseSentencePiece(model, "spiece.model");
const normalize = charsmapNormalizer(charsmap, "spiece.model");

test.each([
  ["nothing that has a rule", "a cat, 猫 😀", "a cat, 猫 😀"],
  ["compatibility forms", "ﬁne ™ ½ ｐ", "fine TM 1⁄2 p"],
  ["a composition", "cafe\u0301", "café"],
  ["white space", "a\tb\u3000c\u200bd\ufeff", "a b c d "],
  ["controls", "a\u0001b\u007fc", "abc"],
  ["a zero", "a\u0000b", "a\u0000b"],
  // The two that sentencepiece does otherwise: it would keep the mark.
  ["a mark after a rule", "½\u0302", "1⁄2"],
  ["a mark after a composition", "a\u0301\u0302", "á"],
  // Six bytes: too long to be looked up at once.
  ["a mark after a rule of three bytes", "™\u20e3", "TM\u20e3"],
])("%s: %j becomes %j", (_, text, expected) => {
  expect(normalize(text)).toBe(expected);
});

test("without a charsmap the text stays as it is", () => {
  expect(charsmapNormalizer(new Uint8Array(), "m")("ﬁ\t½")).toBe("ﬁ\t½");
});

test.each([
  ["three bytes", charsmap.slice(0, 3), "m: the charsmap has 3 bytes and a trie of 0."],
  ["no trie", new Uint8Array(8), "m: the charsmap has 8 bytes and a trie of 0."],
  ["half a trie", charsmap.slice(0, 100), /m: the charsmap has 100 bytes and a trie of \d+\. Download the file again\./],
])("a charsmap of %s is refused", (_, bytes, message) => {
  const make = () => charsmapNormalizer(bytes, "m");
  expect(make).toThrow(SnoopiError);
  expect(make).toThrow(message);
});

test("a damaged trie still ends", () => {
  fc.assert(
    fc.property(fc.array(fc.nat(0xffffffff), { minLength: 1, maxLength: 40 }), fc.string({ unit: "binary" }), (nodes, text) => {
      const bytes = new Uint8Array(new Uint32Array([nodes.length * 4, ...nodes, 0]).buffer);
      expect(typeof charsmapNormalizer(bytes, "m")(text)).toBe("string");
    }),
  );
});
