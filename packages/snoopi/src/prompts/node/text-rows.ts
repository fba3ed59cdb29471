import { createReadStream } from "node:fs";
import { pipeline, type Readable } from "node:stream";
import { createGunzip } from "node:zlib";
import type { PromptCursor } from "../prompt-row.ts";
import { type Line, lineSplitter } from "../split-lines.ts";

export interface TextLinesOptions {
  readonly from: PromptCursor;
  readonly maxBytes: number;
  readonly gzip: boolean;
}

const pieceBytes = 1 << 18;

/** The lines of a file from a cursor on, in batches: those that end in each piece read. */
export async function* textLines(path: string, { from, maxBytes, gzip }: TextLinesOptions): AsyncGenerator<readonly Line[], void> {
  const splitter = lineSplitter({ from, maxBytes });
  // A compressed file can only be read from its first byte.
  let skip = gzip ? from.byte : 0;
  for await (const piece of gzip ? gunzipped(path) : createReadStream(path, { start: from.byte, highWaterMark: pieceBytes })) {
    const bytes = piece as Uint8Array;
    const rest = bytes.subarray(Math.min(skip, bytes.length));
    skip -= bytes.length - rest.length;
    const lines = splitter.push(rest);
    if (lines.length > 0) yield lines;
  }
  yield splitter.end();
}

function gunzipped(path: string): Readable {
  const unzip = createGunzip({ chunkSize: pieceBytes });
  // An error of the file destroys `unzip`, and so reaches its reader.
  pipeline(createReadStream(path, { highWaterMark: pieceBytes }), unzip, () => {});
  return unzip;
}
