import fc from "fast-check";
import { expect, test } from "vitest";
import { promptStart } from "./prompt-row.ts";
import { type Line, lineSplitter } from "./split-lines.ts";

const bytesOf = (text: string) => new TextEncoder().encode(text);
const textOf = ({ bytes }: Line) => (bytes ? new TextDecoder().decode(bytes) : undefined);

/** Feeds bytes in pieces that end at the cuts. */
function split(bytes: Uint8Array, { cuts = [] as number[], from = promptStart, maxBytes = 1000 } = {}): Line[] {
  const splitter = lineSplitter({ from, maxBytes });
  const lines: Line[] = [];
  const ends = [...cuts.filter((cut) => cut < bytes.length).sort((a, b) => a - b), bytes.length];
  let start = 0;
  for (const end of ends) {
    lines.push(...splitter.push(bytes.subarray(start, end)));
    start = end;
  }
  return [...lines, ...splitter.end()];
}

const someText = fc.string({ unit: fc.constantFrom("a", "é", "\n", "\r", "🦔", " "), maxLength: 60 });
const someCuts = fc.array(fc.nat(80), { maxLength: 8 });

test("lines are those between line feeds, however the bytes are cut", () => {
  fc.assert(
    fc.property(someText, someCuts, (text, cuts) => {
      const wanted = text.split("\n");
      if (wanted[wanted.length - 1] === "") wanted.pop();
      const lines = split(bytesOf(text), { cuts });
      expect(lines.map(textOf)).toEqual(wanted);
      expect(lines.map(({ line }) => line)).toEqual(wanted.map((_, i) => i + 1));
    }),
  );
});

test("from the end of any line follow the lines after it", () => {
  fc.assert(
    fc.property(someText, someCuts, (text, cuts) => {
      const bytes = bytesOf(text);
      const all = split(bytes);
      for (const { line, end } of [{ line: 0, end: 0 }, ...all]) {
        expect(split(bytes.subarray(end), { cuts, from: { line, byte: end } })).toEqual(all.slice(line));
      }
    }),
  );
});

test("a line of too many bytes has none, and does not touch its neighbours", () => {
  fc.assert(
    fc.property(fc.array(fc.integer({ min: 1, max: 12 }), { maxLength: 12 }), someCuts, (lengths, cuts) => {
      const bytes = bytesOf(lengths.map((length) => "x".repeat(length)).join("\n"));
      const wanted = lengths.map((length) => (length > 6 ? undefined : "x".repeat(length)));
      expect(split(bytes, { cuts, maxBytes: 6 }).map(textOf)).toEqual(wanted);
    }),
  );
});
