import fc from "fast-check";
import { expect, test } from "vitest";
import { openSafetensors } from "../checkpoint/safetensors-read.ts";
import { bytesSource } from "../checkpoint/source.ts";
import { type Piece, piecesSource } from "./pieces.ts";

const original = Uint8Array.from({ length: 400 }, (_, i) => (i * 37) % 251);
const sizes = { F64: 8, F32: 4, F16: 2, U8: 1 };

/** Tensors anywhere in the original, overlapping or not, some empty. */
const pieces = fc
  .array(fc.record({ dtype: fc.constantFrom("F64", "F32", "F16", "U8" as const), count: fc.nat(12), start: fc.nat(300) }), { maxLength: 8 })
  .map((all) =>
    all.map(({ dtype, count, start }, i): Piece => ({ name: `t.${i}`, dtype, shape: [count], start, end: start + count * sizes[dtype] })),
  );

/** The whole file, written out tensor by tensor. */
async function materialised(all: readonly Piece[]): Promise<Uint8Array> {
  const source = piecesSource(bytesSource(original), all);
  const header = 8 + Number(new DataView((await source.read(0, 8)).buffer).getBigUint64(0, true));
  const { entries } = await openSafetensors(source, "virtual");
  const bytes = new Uint8Array(source.size);
  bytes.set(await source.read(0, header));
  for (const { name, start, end } of all) bytes.set(original.subarray(start, end), entries.get(name)!.start);
  return bytes;
}

test("any range is that of the file written out, and the file is a sound one", async () => {
  await fc.assert(
    fc.asyncProperty(pieces, fc.array(fc.tuple(fc.nat(1500), fc.nat(1500)), { minLength: 1, maxLength: 8 }), async (all, ranges) => {
      const whole = await materialised(all);
      const source = piecesSource(bytesSource(original), all);
      expect(source.size).toBe(whole.length);
      for (const [from, length] of ranges) expect(await source.read(from, from + length)).toEqual(whole.slice(from, from + length));
      const file = await openSafetensors(source, "virtual");
      expect(new Set(file.entries.keys())).toEqual(new Set(all.map(({ name }) => name)));
      // Aligned, whatever types there are.
      for (const { dtype, start } of file.entries.values()) expect(start % sizes[dtype as keyof typeof sizes]).toBe(0);
    }),
  );
});

test("neighbours are read in one go, and one tensor without a copy", async () => {
  const asked: [number, number][] = [];
  const read = async (start: number, end: number) => {
    asked.push([start, end]);
    return original.slice(start, end);
  };
  const three = ["a", "b", "c"].map((name, i): Piece => ({ name, dtype: "F16", shape: [10], start: 20 * i, end: 20 * i + 20 }));
  const source = piecesSource({ size: original.length, read }, three);
  const begin = source.size - 60;
  expect(await source.read(begin, source.size)).toEqual(original.slice(0, 60));
  expect(await source.read(begin + 20, begin + 40)).toEqual(original.slice(20, 40));
  expect(asked).toEqual([
    [0, 60],
    [20, 40],
  ]);
});

test("a file that became shorter gives fewer bytes, and so an error to its reader", async () => {
  const all: Piece[] = [
    { name: "a", dtype: "U8", shape: [100], start: 0, end: 100 },
    { name: "b", dtype: "U8", shape: [100], start: 200, end: 300 },
  ];
  const source = piecesSource(bytesSource(original.slice(0, 250)), all);
  const begin = source.size - 200;
  expect(await source.read(begin, source.size)).toEqual(Uint8Array.from([...original.slice(0, 100), ...original.slice(200, 250)]));
  const file = await openSafetensors(source, "virtual");
  await expect(file.read("b")).rejects.toThrow("got 50 of 100. Download the file again.");
});

test("closing it closes what it reads from", async () => {
  let closed = 0;
  const source = piecesSource({ ...bytesSource(original), close: async () => void closed++ }, []);
  await source.close?.();
  expect(closed).toBe(1);
});
