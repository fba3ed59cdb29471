import { bitsOf } from "../checkpoint/safetensors-dtype.ts";
import type { TensorEntry } from "../checkpoint/safetensors-header.ts";
import { encodeHeader } from "../checkpoint/safetensors-write.ts";
import type { ByteSource } from "../checkpoint/source.ts";

/** A tensor of a virtual file: its name and shape there, and the range of its bytes in a real file. */
export interface Piece extends TensorEntry {
  readonly name: string;
}

/** A range of the real file, and where it begins in the virtual one. */
interface Run {
  readonly at: number;
  readonly start: number;
  end: number;
}

/**
 * A virtual safetensors file made of pieces of a real one, `source`: a header of its own, then the pieces, whose bytes are read when they are asked for.
 * Closing it closes `source`.
 */
export function piecesSource(source: ByteSource, pieces: readonly Piece[]): ByteSource {
  const { header, runs, size } = layoutOf(pieces);
  return {
    size,
    async read(start, end) {
      const [from, to] = [Math.max(0, start), Math.min(end, size)];
      if (from < header.length && to <= header.length) return header.slice(from, to);
      const inside = runs.filter((run) => run.at < to && run.at + run.end - run.start > from);
      const ranges = inside.map((run) => ({
        at: Math.max(run.at, from),
        start: run.start + Math.max(0, from - run.at),
        end: Math.min(run.end, run.start + to - run.at),
      }));
      // A tensor lies in one run, so its bytes need no copy.
      if (from >= header.length && ranges.length === 1) return source.read(ranges[0].start, ranges[0].end);
      const bytes = new Uint8Array(Math.max(0, to - from));
      if (from < header.length) bytes.set(header.subarray(from));
      for (const range of ranges) {
        const read = await source.read(range.start, range.end);
        bytes.set(read, range.at - from);
        // The file became shorter: the rest is missing too, and the length tells the caller.
        if (read.length < range.end - range.start) return bytes.subarray(0, range.at - from + read.length);
      }
      return bytes;
    },
    ...(source.close && { close: () => source.close!() }),
  };
}

/** Larger types first, as the reference writer does, so that each tensor is aligned whatever is left out; otherwise in the real file's order. */
function layoutOf(pieces: readonly Piece[]): { header: Uint8Array; runs: Run[]; size: number } {
  const sorted = [...pieces].sort((a, b) => bitsOf.get(b.dtype)! - bitsOf.get(a.dtype)! || a.start - b.start);
  // transformers rejects files without it.
  const fields: [string, unknown][] = [["__metadata__", { format: "pt" }]];
  let bytes = 0;
  for (const { name, dtype, shape, start, end } of sorted) {
    fields.push([name, { dtype, shape, data_offsets: [bytes, bytes + end - start] }]);
    bytes += end - start;
  }
  const header = encodeHeader(fields);
  const runs: Run[] = [];
  let at = header.length;
  for (const { start, end } of sorted) {
    const before = runs.at(-1);
    if (before?.end === start) before.end = end;
    else if (start < end) runs.push({ at, start, end });
    at += end - start;
  }
  return { header, runs, size: at };
}
