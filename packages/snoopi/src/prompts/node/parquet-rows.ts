import * as zlib from "node:zlib";
import { SnoopiError } from "@snoopi/core";
import { fileSource } from "@snoopi/models/node";
import { type AsyncBuffer, type Compressors, type FileMetaData, parquetMetadataAsync, parquetScan, parquetSchema } from "hyparquet";
import { type ParsedLine, type ParseOptions, usualColumns } from "../parse-line.ts";
import type { PromptCursor } from "../prompt-row.ts";
import { type Parsed, promptText, utf8Reader } from "../prompt-text.ts";

/** Rows read at a time from a file with an index of its pages; from any other it is a row group. */
const rowsAtOnce = 16384;

const notUtf8 = Symbol("not UTF-8");

/**
 * The rows of a text column, read a row group at a time, or by pages if the file has an index of them. Memory holds the column of one row
 * group (a million rows in pyarrow's files).
 *
 * @throws SnoopiError for a file that is not Parquet, for a column that is missing or not text, and for what cannot be decompressed.
 */
export async function* parquetRows(
  path: string,
  { from, column, maxLength }: ParseOptions & { readonly from: PromptCursor },
): AsyncGenerator<readonly ParsedLine[], void> {
  const source = await fileSource(path);
  try {
    const file: AsyncBuffer = {
      byteLength: source.size,
      async slice(start, end = source.size) {
        const { buffer, byteLength } = await source.read(start, end);
        return (byteLength === buffer.byteLength ? buffer : buffer.slice(0, byteLength)) as ArrayBuffer;
      },
    };
    const metadata = await said(path, () => parquetMetadataAsync(file));
    const name = columnOf(path, metadata, column);
    const read = utf8Reader();
    const parsers = { stringFromBytes: (bytes: Uint8Array | undefined) => bytes && (read(bytes) ?? notUtf8) };
    const scan = await said(path, () => parquetScan({ file, metadata, columns: [name], compressors, parsers }));
    const parse = (value: unknown): Parsed => {
      if (value === notUtf8) return { bad: "notUtf8" };
      return typeof value === "string" ? promptText(value, { maxLength }) : { bad: "noField" };
    };
    for (const { rowStart, rowEnd } of rangesOf(metadata, name)) {
      if (rowEnd <= from.line) continue;
      const start = Math.max(rowStart, from.line);
      const values = await said(path, () => scan.readColumn({ column: name, rowStart: start, rowEnd }));
      for (let first = 0; first < values.length; first += rowsAtOnce) {
        const some = values.slice(first, first + rowsAtOnce) as ArrayLike<unknown>;
        yield Array.from(some, (value, i) => ({ line: start + first + i + 1, end: 0, parsed: parse(value) }));
      }
    }
  } finally {
    await source.close?.();
  }
}

/** Adds the file's name to what the library throws. */
async function said<T>(path: string, run: () => Promise<T>): Promise<T> {
  try {
    return await run();
  } catch (error) {
    if (error instanceof SnoopiError) throw new SnoopiError(`${path}: ${error.message}`, { cause: error });
    throw new SnoopiError(`${path}: it cannot be read as Parquet, ${(error as Error).message}. Write it again.`, { cause: error });
  }
}

function columnOf(path: string, metadata: FileMetaData, column: string | undefined): string {
  const { children } = parquetSchema(metadata);
  const names = children.map(({ element }) => element.name);
  const name = column ?? usualColumns.find((one) => names.includes(one));
  const found = children.find(({ element }) => element.name === name);
  if (!found) {
    const wanted = column === undefined ? "there is no column prompt, text or caption" : `there is no column ${JSON.stringify(column)}`;
    throw new SnoopiError(`${path}: ${wanted}. Name one of ${names.join(", ")}.`);
  }
  const { type, converted_type: kind, repetition_type: times } = found.element;
  if (type !== "BYTE_ARRAY" || times === "REPEATED" || (kind !== undefined && kind !== "UTF8" && kind !== "ENUM")) {
    throw new SnoopiError(`${path}: column ${JSON.stringify(name)} is ${kind ?? type ?? "nested"}, and prompts are text. Name another.`);
  }
  return found.element.name;
}

/** Ranges of rows that are read at a time. */
function* rangesOf({ row_groups: groups }: FileMetaData, column: string): Generator<{ rowStart: number; rowEnd: number }> {
  let first = 0;
  for (const group of groups) {
    const last = first + Number(group.num_rows);
    const chunk = group.columns.find(({ meta_data }) => meta_data?.path_in_schema[0] === column);
    const step = chunk?.offset_index_offset ? rowsAtOnce : Math.max(1, last - first);
    for (; first < last; first = Math.min(last, first + step)) yield { rowStart: first, rowEnd: Math.min(last, first + step) };
  }
}

/** Snappy is the library's own; Node has the rest, Zstandard from 22.15 on. */
const compressors: Compressors = {
  GZIP: (bytes) => zlib.gunzipSync(bytes),
  BROTLI: (bytes) => zlib.brotliDecompressSync(bytes),
  ZSTD(bytes) {
    const { zstdDecompressSync } = zlib as { zstdDecompressSync?: (bytes: Uint8Array) => Uint8Array };
    if (zstdDecompressSync) return zstdDecompressSync(bytes);
    throw new SnoopiError(
      `it is compressed with Zstandard, which Node reads from 22.15 on and this is ${process.versions.node}. Write it with snappy.`,
    );
  },
};
