import { SnoopiError } from "@snoopi/core";
import type { Piece } from "./unigram.ts";

/** The parts of a `spiece.model` that are needed to make ids. */
export interface SentencePieceModel {
  readonly pieces: readonly Piece[];
  /** What each piece is: 1 normal, 2 unknown, 3 control, 4 user defined, 5 unused, 6 byte. */
  readonly types: readonly number[];
  /** `normalizer_spec.precompiled_charsmap`; empty when text is taken as it is. */
  readonly charsmap: Uint8Array;
}

const utf8 = new TextDecoder("utf-8", { fatal: true, ignoreBOM: true });
const modelTypes = ["", "Unigram", "BPE", "word", "character"];

/** Reads a SentencePiece model: the protobuf message `ModelProto` of sentencepiece_model.proto. `name` is shown in errors. */
export function parseSentencePiece(bytes: Uint8Array, name: string): SentencePieceModel {
  const pieces: Piece[] = [];
  const types: number[] = [];
  const specs = new Map<number, Uint8Array>();
  for (const { field, value } of fields(bytes, name)) {
    if (!(value instanceof Uint8Array)) continue;
    if (field !== 1) {
      specs.set(field, value);
      continue;
    }
    const piece = { text: "", score: 0, type: 1 };
    for (const part of fields(value, name)) {
      if (part.field === 1) piece.text = text(part.value, name);
      if (part.field === 2 && part.value instanceof Uint8Array) piece.score = float(part.value, name);
      if (part.field === 3 && typeof part.value === "number") piece.type = part.value;
    }
    pieces.push([piece.text, piece.score]);
    types.push(piece.type);
  }
  const [trainer, normalizer] = [specs.get(2), specs.get(3)];
  // Without this a file that is cut between two pieces would be taken for a smaller vocabulary.
  if (pieces.length === 0 || trainer === undefined || normalizer === undefined) {
    const has = `${pieces.length} pieces, ${trainer ? "a" : "no"} trainer_spec and ${normalizer ? "a" : "no"} normalizer_spec`;
    throw new SnoopiError(`${name}: this has ${has}, so it is no whole SentencePiece model. Download the file again.`);
  }
  const type = fields(trainer, name).find(({ field }) => field === 3)?.value ?? 1;
  if (type !== 1) {
    const label = modelTypes[Number(type)] ?? String(type);
    throw new SnoopiError(`${name}: the model is ${JSON.stringify(label)}, only T5's "Unigram" is supported.`);
  }
  const charsmap = fields(normalizer, name).find(({ field }) => field === 2)?.value;
  return { pieces, types, charsmap: charsmap instanceof Uint8Array ? charsmap : new Uint8Array() };
}

interface Field {
  readonly field: number;
  /** A whole number, or the bytes of anything else. */
  readonly value: number | Uint8Array;
}

function float(bytes: Uint8Array, name: string): number {
  if (bytes.length === 4) return new DataView(bytes.buffer, bytes.byteOffset, 4).getFloat32(0, true);
  throw new SnoopiError(`${name}: a score has ${bytes.length} bytes and not 4, so this is no SentencePiece model.`);
}

function text(value: Field["value"], name: string): string {
  try {
    if (typeof value !== "number") return utf8.decode(value);
  } catch {}
  throw new SnoopiError(`${name}: a piece is not UTF-8, so this is no SentencePiece model.`);
}

/** The fields of a protobuf message in the order of the file. See protobuf.dev/programming-guides/encoding. */
function fields(bytes: Uint8Array, name: string): Field[] {
  const refuse = (problem: string): never => {
    throw new SnoopiError(`${name}: ${problem}, so this is no SentencePiece model, or only a part of one. Download the file again.`);
  };
  let at = 0;
  const take = (count: number): Uint8Array => {
    if (count > bytes.length - at) refuse(`${count} bytes should follow and ${bytes.length - at} do`);
    at += count;
    return bytes.subarray(at - count, at);
  };
  // Seven bits a byte, the lowest first. Numbers here are lengths, ids and enums; what is above 2^53 (a negative one) is of no interest.
  const varint = (): number => {
    let value = 0;
    for (let place = 0; place < 10; place++) {
      const [byte] = take(1);
      value += (byte & 0x7f) * 2 ** (7 * place);
      if (byte < 0x80) return value;
    }
    return refuse("a number has more than ten bytes");
  };
  const found: Field[] = [];
  while (at < bytes.length) {
    const tag = varint();
    const [field, wireType] = [Math.floor(tag / 8), tag % 8];
    if (field === 0) refuse("there is a field 0");
    else if (wireType === 0) found.push({ field, value: varint() });
    else if (wireType === 1) found.push({ field, value: take(8) });
    else if (wireType === 2) found.push({ field, value: take(varint()) });
    else if (wireType === 5) found.push({ field, value: take(4) });
    else refuse(`field ${field} is of the unknown wire type ${wireType}`);
  }
  return found;
}
