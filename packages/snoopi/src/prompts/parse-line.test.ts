import fc from "fast-check";
import { describe, expect, test } from "vitest";
import { lineParser } from "./parse-line.ts";

const bytesOf = (text: string) => new TextEncoder().encode(text);
const maxLength = 20;

describe("a line of text", () => {
  const parse = lineParser("text", { maxLength });

  test.each([
    ["a red cat", { prompt: "a red cat" }],
    ["  eine Straße, 猫 🦔\t\r", { prompt: "eine Straße, 猫 🦔" }],
    ["\uFEFFfirst of its file", { prompt: "first of its file" }],
    ["a\tb", { prompt: "a\tb" }],
    ["", { bad: "empty" }],
    [" \t\r", { bad: "empty" }],
    ["a\0cat", { bad: "control" }],
    ["\u001b[31mred", { bad: "control" }],
    ["x".repeat(21), { bad: "tooLong" }],
    ["x".repeat(20), { prompt: "x".repeat(20) }],
  ])("%j is %j", (text, wanted) => {
    expect(parse(bytesOf(text))).toEqual(wanted);
  });

  test.each([[[0xff, 0xfe, 0x61, 0x00]], [[0xc3]], [[0x61, 0xed, 0xa0, 0x80]], [[0xc0, 0xaf]]])("bytes %j are not UTF-8", (bytes) => {
    expect(parse(Uint8Array.from(bytes))).toEqual({ bad: "notUtf8" });
  });
});

describe("a line of JSON", () => {
  const parse = (text: string, column?: string) => lineParser("jsonl", { maxLength, ...(column && { column }) })(bytesOf(text));

  test.each([
    ['{"prompt": "a cat"}', { prompt: "a cat" }],
    ['{"caption": "no", "text": "a cat", "id": 3}', { prompt: "a cat" }],
    ['{"prompt": "two\\nlines"}', { prompt: "two\nlines" }],
    ['{"prompt": "a cat"', { bad: "notJson" }],
    ['"a cat"', { bad: "notJson" }],
    ['["a cat"]', { bad: "notJson" }],
    ["null", { bad: "notJson" }],
    ["  ", { bad: "empty" }],
    ['{"prompt": " "}', { bad: "empty" }],
    ['{"prompt": null}', { bad: "noField" }],
    ['{"prompt": 7}', { bad: "noField" }],
    ['{"title": "a cat"}', { bad: "noField" }],
    ["{}", { bad: "noField" }],
    ['{"prompt": "a\\u0000b"}', { bad: "control" }],
    ['{"prompt": "a \\ud83e"}', { bad: "notUnicode" }],
    [`{"prompt": "${"x".repeat(21)}"}`, { bad: "tooLong" }],
  ])("%j is %j", (text, wanted) => {
    expect(parse(text)).toEqual(wanted);
  });

  test("has its prompt in the field that is named, and in no other", () => {
    expect(parse('{"prompt": "a", "title": "b"}', "title")).toEqual({ prompt: "b" });
    expect(parse('{"prompt": "a"}', "title")).toEqual({ bad: "noField" });
    expect(parse('{"prompt": "a"}', "constructor")).toEqual({ bad: "noField" });
  });

  test("gives back any text that it may hold", () => {
    fc.assert(
      fc.property(fc.string({ unit: "grapheme", minLength: 1, maxLength: 5 }), (text) => {
        const plain = text.trim();
        fc.pre(plain !== "" && plain.length <= maxLength && !/\p{Cc}/u.test(plain));
        expect(parse(JSON.stringify({ prompt: text }))).toEqual({ prompt: plain });
      }),
    );
  });
});
