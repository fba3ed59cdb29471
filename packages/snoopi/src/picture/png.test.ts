import { inflateSync, crc32 as zlibCrc32 } from "node:zlib";
import fc from "fast-check";
import { describe, expect, test } from "vitest";
import { crc32 } from "./crc32.ts";
import { decodePng, encodePng } from "./png.ts";

const pictures = fc.record({ width: fc.integer({ min: 1, max: 19 }), height: fc.integer({ min: 1, max: 11 }) }).chain(({ width, height }) =>
  fc.record({
    width: fc.constant(width),
    height: fc.constant(height),
    data: fc.uint8Array({ minLength: width * height * 3, maxLength: width * height * 3 }),
  }),
);
const black = { width: 1, height: 1, data: new Uint8Array(3) };

/** Where each chunk of a file begins. */
function chunkStarts(file: Uint8Array): Map<string, number> {
  const starts = new Map<string, number>();
  const view = new DataView(file.buffer, file.byteOffset);
  for (let at = 8; at < file.length; at += 12 + view.getUint32(at)) starts.set(String.fromCharCode(...file.subarray(at + 4, at + 8)), at);
  return starts;
}

describe("encodePng", () => {
  test("writes what decodePng reads", async () => {
    await fc.assert(
      fc.asyncProperty(
        pictures,
        fc.dictionary(fc.stringMatching(/^[a-z_]{1,12}$/), fc.string({ unit: "grapheme" })),
        async (picture, words) => {
          const text = Object.fromEntries(Object.entries(words).map(([key, value]) => [key, value.replaceAll("\0", "")]));
          expect(await decodePng(await encodePng({ ...picture, text }))).toEqual({ ...picture, text });
        },
      ),
      { numRuns: 60 },
    );
  });

  test("writes the bytes that the specification asks for", async () => {
    const file = await encodePng({ width: 2, height: 1, data: Uint8Array.of(1, 2, 3, 4, 5, 6) });
    expect([...file.subarray(0, 33)]).toEqual([
      ...[0x89, 0x50, 0x4e, 0x47, 0x0d, 0x0a, 0x1a, 0x0a, 0, 0, 0, 13, 0x49, 0x48, 0x44, 0x52],
      ...[0, 0, 0, 2, 0, 0, 0, 1, 8, 2, 0, 0, 0, 0x7b, 0x40, 0xe8, 0xdd],
    ]);
    const start = chunkStarts(file).get("IDAT")!;
    // Filter 1 (left): the second pixel is stored as its difference from the first.
    expect([...inflateSync(file.subarray(start + 8, -16))]).toEqual([1, 1, 2, 3, 3, 3, 3]);
    expect([...file.subarray(-12)]).toEqual([0, 0, 0, 0, 0x49, 0x45, 0x4e, 0x44, 0xae, 0x42, 0x60, 0x82]);
  });

  test("stores text as UTF-8 in iTXt chunks", async () => {
    const file = await encodePng({ ...black, text: { prompt: "ein Füchslein 🦊, 狐" } });
    const start = chunkStarts(file).get("iTXt")!;
    const body = Buffer.from(file.subarray(start + 8, start + 8 + new DataView(file.buffer).getUint32(start)));
    expect(body.toString("utf8")).toBe("prompt\0\0\0\0\0ein Füchslein 🦊, 狐");
  });

  test("takes a slice of a larger buffer", async () => {
    const data = new Uint8ClampedArray([9, 9, 1, 2, 3, 9]).subarray(2, 5);
    expect([...(await decodePng(await encodePng({ width: 1, height: 1, data }))).data]).toEqual([1, 2, 3]);
  });

  test("is smaller than the pixels for a smooth picture", async () => {
    const data = Uint8Array.from({ length: 64 * 64 * 3 }, (_, i) => Math.floor(i / 3 / 64) + ((i / 3) % 64));
    expect((await encodePng({ width: 64, height: 64, data })).length).toBeLessThan(1000);
  });

  test.each([
    [{ width: 2, height: 2, data: new Uint8Array(3) }, "png: 2 × 2 pixels need 12 bytes of RGB, and the data has 3."],
    [{ width: 0, height: 2, data: new Uint8Array(0) }, "png: width and height are 0 and 2. They must be whole numbers from 1 to 2³¹ − 1."],
    [
      { ...black, text: { "": "x" } },
      'png: "" is no keyword. One has 1 to 79 printable Latin-1 characters, and no spaces at its ends or side by side.',
    ],
    [
      { ...black, text: { "a ": "x" } },
      'png: "a " is no keyword. One has 1 to 79 printable Latin-1 characters, and no spaces at its ends or side by side.',
    ],
    [{ ...black, text: { prompt: "a\0b" } }, 'png: the text of "prompt" holds a NUL character, which PNG does not allow.'],
  ])("refuses what PNG cannot hold, case %#", async (picture, says) => {
    await expect(encodePng(picture)).rejects.toThrow(says);
  });
});

describe("decodePng", () => {
  test("finds every truncation", async () => {
    const file = await encodePng({ ...black, text: { prompt: "a" } });
    for (let length = 0; length < file.length; length++) await expect(decodePng(file.subarray(0, length))).rejects.toThrow(/^png: /);
  });

  test("finds a changed byte in any chunk", async () => {
    const file = await encodePng({ ...black, text: { prompt: "a" } });
    for (let at = 0; at < file.length; at++) {
      const changed = Uint8Array.from(file);
      changed[at]! ^= 0x10;
      await expect(decodePng(changed)).rejects.toThrow(/^png: /);
    }
  });
});

test("crc32 equals zlib's", () => {
  fc.assert(
    fc.property(fc.uint8Array(), fc.uint8Array(), (a, b) => {
      expect(crc32(a, b)).toBe(zlibCrc32(Buffer.concat([a, b])));
    }),
  );
});
