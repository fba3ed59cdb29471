import { SnoopiError } from "@snoopi/core";
import { crc32 } from "./crc32.ts";
import { filterRows, unfilterRows } from "./row-filter.ts";

/** An image as a PNG file holds it. */
export interface Picture {
  readonly width: number;
  readonly height: number;
  /** `height × width × 3` bytes: red, green, blue, row by row from the top. */
  readonly data: Uint8Array | Uint8ClampedArray;
  /** Metadata: keyword (1–79 Latin-1 characters) to any text. Written as iTXt, the PNG chunk whose text is UTF-8. */
  readonly text?: Readonly<Record<string, string>>;
}

const signature = Uint8Array.of(0x89, 0x50, 0x4e, 0x47, 0x0d, 0x0a, 0x1a, 0x0a);
const channels = 3;
/** Bit depth 8, colour type 2 (red, green, blue), deflate, the five standard filters, not interlaced. */
const format = [8, 2, 0, 0, 0];

/**
 * The bytes of a PNG file: 8-bit RGB, with its text before the image. Runs wherever `CompressionStream` does (browsers, Node).
 * @throws SnoopiError when the sizes do not fit the data, or PNG does not allow a keyword or text
 */
export async function encodePng({ width, height, data, text = {} }: Picture): Promise<Uint8Array<ArrayBuffer>> {
  if (!isSize(width) || !isSize(height))
    throw new SnoopiError(`png: width and height are ${width} and ${height}. They must be whole numbers from 1 to 2³¹ − 1.`);
  const wanted = width * height * channels;
  if (data.length !== wanted)
    throw new SnoopiError(`png: ${width} × ${height} pixels need ${wanted} bytes of RGB, and the data has ${data.length}.`);
  const bytes = new Uint8Array(data.buffer, data.byteOffset, data.length);
  const filtered = filterRows(bytes, { rows: height, stride: width * channels, step: channels });
  return join([
    signature,
    chunk("IHDR", join([bigEndian(width), bigEndian(height), Uint8Array.from(format)])),
    ...Object.entries(text).map(([keyword, value]) => chunk("iTXt", internationalText(keyword, value))),
    chunk("IDAT", await piped(filtered, new CompressionStream("deflate"))),
    chunk("IEND", new Uint8Array(0)),
  ]);
}

/**
 * Reads a file that `encodePng` wrote: pixels and text.
 * @throws SnoopiError when the file is damaged, or is a PNG of another format (another depth, a palette, transparency, interlacing)
 */
export async function decodePng(file: Uint8Array): Promise<Required<Picture>> {
  if (!signature.every((byte, i) => file[i] === byte))
    throw new SnoopiError("png: this is no PNG file, its first eight bytes differ from a PNG's.");
  const text: [string, string][] = [];
  const compressed: Uint8Array[] = [];
  let header: Uint8Array | undefined;
  for (const { type, body } of chunksOf(file)) {
    if (type === "IHDR") header = body;
    if (type === "IDAT") compressed.push(body);
    if (type === "iTXt") text.push(...readInternationalText(body));
  }
  if (header?.length !== 13 || compressed.length === 0) throw damaged("it has no header or no image");
  const view = new DataView(header.buffer, header.byteOffset);
  const [width, height] = [view.getUint32(0), view.getUint32(4)];
  if (!format.every((byte, i) => header[8 + i] === byte)) throw new SnoopiError("png: only 8-bit RGB without interlacing is read here.");
  const filtered = await piped(join(compressed), new DecompressionStream("deflate")).catch(() => {
    throw damaged("its image cannot be decompressed");
  });
  const stride = width * channels;
  if (filtered.length !== height * (stride + 1))
    throw damaged(`${width} × ${height} pixels need ${height * (stride + 1)} bytes, not ${filtered.length}`);
  const data = unfilterRows(filtered, { rows: height, stride, step: channels });
  if (!data) throw damaged("a row names a filter that PNG does not have");
  return { width, height, data, text: Object.fromEntries(text) };
}

function* chunksOf(file: Uint8Array): Generator<{ type: string; body: Uint8Array }> {
  const view = new DataView(file.buffer, file.byteOffset, file.length);
  for (let at = signature.length; at < file.length; ) {
    const length = at + 12 <= file.length ? view.getUint32(at) : Number.POSITIVE_INFINITY;
    if (at + 12 + length > file.length) throw damaged(`it ends inside the chunk at byte ${at}`);
    const typed = file.subarray(at + 4, at + 8 + length);
    const type = String.fromCharCode(...typed.subarray(0, 4));
    if (crc32(typed) !== view.getUint32(at + 8 + length)) throw damaged(`the checksum of its ${type} chunk at byte ${at} is wrong`);
    yield { type, body: typed.subarray(4) };
    if (type === "IEND") return;
    at += 12 + length;
  }
  throw damaged("it has no IEND chunk");
}

/** Keyword, uncompressed, no language tag, no translated keyword, text (PNG specification, §11.3.3.4). */
function internationalText(keyword: string, text: string): Uint8Array {
  if (!/^(?! )(?!.* {2})[\x20-\x7e\xa1-\xff]{1,79}(?<! )$/.test(keyword)) {
    throw new SnoopiError(
      `png: ${JSON.stringify(keyword)} is no keyword. One has 1 to 79 printable Latin-1 characters, and no spaces at its ends or side by side.`,
    );
  }
  if (text.includes("\0"))
    throw new SnoopiError(`png: the text of ${JSON.stringify(keyword)} holds a NUL character, which PNG does not allow.`);
  return join([Uint8Array.from(keyword, (character) => character.charCodeAt(0)), new Uint8Array(5), new TextEncoder().encode(text)]);
}

/** Keyword and text; empty for a chunk whose text is compressed, which `encodePng` does not write. */
function readInternationalText(body: Uint8Array): [string, string][] {
  const end = body.indexOf(0);
  const compressed = body[end + 1];
  const language = body.indexOf(0, end + 3);
  const translated = body.indexOf(0, language + 1);
  if (end < 1 || compressed !== 0 || language < 0 || translated < 0) return [];
  return [[String.fromCharCode(...body.subarray(0, end)), new TextDecoder().decode(body.subarray(translated + 1))]];
}

function chunk(type: string, body: Uint8Array): Uint8Array {
  const name = Uint8Array.from(type, (character) => character.charCodeAt(0));
  return join([bigEndian(body.length), name, body, bigEndian(crc32(name, body))]);
}

async function piped(bytes: Uint8Array, through: CompressionStream | DecompressionStream): Promise<Uint8Array> {
  const stream = new Blob([bytes as Uint8Array<ArrayBuffer>]).stream().pipeThrough(through);
  return new Uint8Array(await new Response(stream).arrayBuffer());
}

function bigEndian(value: number): Uint8Array {
  const bytes = new Uint8Array(4);
  new DataView(bytes.buffer).setUint32(0, value);
  return bytes;
}

function join(parts: readonly Uint8Array[]): Uint8Array<ArrayBuffer> {
  const joined = new Uint8Array(parts.reduce((sum, part) => sum + part.length, 0));
  let at = 0;
  for (const part of parts) {
    joined.set(part, at);
    at += part.length;
  }
  return joined;
}

function isSize(value: number): boolean {
  return Number.isInteger(value) && value >= 1 && value < 2 ** 31;
}

function damaged(how: string): SnoopiError {
  return new SnoopiError(`png: the file is damaged: ${how}.`);
}
