import { readFileSync } from "node:fs";
import { join } from "node:path";
import { SnoopiError } from "@snoopi/core";
import fc from "fast-check";
import { expect, test } from "vitest";
import { parseSentencePiece } from "./spiece.ts";

const model = new Uint8Array(readFileSync(join(import.meta.dirname, "../../../../test/golden/t5-tokenizer/spiece/spiece.model")));
const parse = (bytes: Uint8Array | readonly number[]) => parseSentencePiece(Uint8Array.from(bytes), "m/spiece.model");

/** A field of bytes, shorter than 128. */
const field = (number: number, bytes: readonly number[]) => [number * 8 + 2, bytes.length, ...bytes];
const piece = (text: string, rest: readonly number[] = []) => field(1, [...field(1, [...new TextEncoder().encode(text)]), ...rest]);
const trainer = (type: number) => field(2, [3 * 8, type]);
const normalizer = field(3, field(1, [120]));

test("pieces have their text, score and type", () => {
  const { pieces, types, charsmap } = parse(model);
  expect(pieces.slice(0, 3)).toEqual([
    ["<pad>", 0],
    ["</s>", 0],
    ["<unk>", 0],
  ]);
  expect(types.slice(0, 4)).toEqual([3, 3, 2, 1]);
  expect(pieces[3][0]).toBe("▁");
  expect(pieces[3][1]).toBe(Math.fround(pieces[3][1]));
  expect(pieces[3][1]).toBeLessThan(0);
  expect(charsmap.length).toBeGreaterThan(1000);
});

test("what is left out has protobuf's default, what is not known is skipped", () => {
  const score = [2 * 8 + 5, 0, 0, 0x20, 0xc0];
  const unknownFields = [...field(15, [1, 2]), 14 * 8 + 1, 1, 2, 3, 4, 5, 6, 7, 8, 13 * 8, 0x80, 0x01];
  const bytes = [...piece("▁a", score), ...unknownFields, ...piece("b"), ...field(2, []), ...normalizer];
  expect(parse(bytes)).toEqual({
    pieces: [
      ["▁a", -2.5],
      ["b", 0],
    ],
    types: [1, 1],
    charsmap: new Uint8Array(),
  });
});

test("a file that is cut anywhere is refused, unless all that is read is there", () => {
  const whole = parse(model);
  fc.assert(
    fc.property(fc.nat(model.length - 1), (length) => {
      let found: ReturnType<typeof parse> | undefined;
      try {
        found = parse(model.subarray(0, length));
      } catch (error) {
        expect(error).toBeInstanceOf(SnoopiError);
        return;
      }
      expect(found).toEqual(whole);
    }),
  );
  expect(() => parse(model.subarray(0, 4000))).toThrow("m/spiece.model: ");
});

test("bytes of any other kind are refused with an error of ours", () => {
  fc.assert(
    fc.property(fc.uint8Array({ maxLength: 60 }), (bytes) => {
      try {
        parse(bytes);
      } catch (error) {
        expect(error).toBeInstanceOf(SnoopiError);
      }
    }),
  );
});

test.each<[string, readonly number[], string]>([
  ["nothing", [], "m/spiece.model: this has 0 pieces, no trainer_spec and no normalizer_spec, so it is no whole SentencePiece model."],
  ["text", [...new TextEncoder().encode("version https://git-lfs")], "m/spiece.model: field 14 is of the unknown wire type 6, so"],
  ["a JSON object", [...new TextEncoder().encode('{"a": 1}')], "m/spiece.model: field 15 is of the unknown wire type 3, so"],
  ["pieces alone", piece("a"), "this has 1 pieces, no trainer_spec and no normalizer_spec"],
  ["a piece that is too short", [10, 9, 1, 2], "m/spiece.model: 9 bytes should follow and 2 do, so"],
  ["a number without end", Array(11).fill(0xff), "m/spiece.model: a number has more than ten bytes, so"],
  ["a field 0", [2, 0], "m/spiece.model: there is a field 0, so"],
  ["a piece that is no text", field(1, field(1, [0xff])), "m/spiece.model: a piece is not UTF-8, so"],
  ["a score of two bytes", piece("a", field(2, [1, 2])), "m/spiece.model: a score has 2 bytes and not 4, so"],
  ["BPE", [...piece("a"), ...trainer(2), ...normalizer], 'm/spiece.model: the model is "BPE", only T5\'s "Unigram" is supported.'],
  ["an unknown model", [...piece("a"), ...trainer(9), ...normalizer], 'm/spiece.model: the model is "9", only'],
])("a file of %s is refused", (_, bytes, message) => {
  expect(() => parse(bytes)).toThrow(message);
});
