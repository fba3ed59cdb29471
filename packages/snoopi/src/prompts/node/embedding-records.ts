import { createHash } from "node:crypto";
import * as zlib from "node:zlib";
import { crc32 as plainCrc32 } from "../../picture/crc32.ts";
import type { Hash64 } from "../hash-index.ts";

// A record of the data file: 16 bytes of the key's hash, the checksum of all that follows and of the hash (u32, little endian), a mark (u32),
// and the embedding. All are of one size, so that record n begins at n times that size.

export const headerBytes = 24;
const hashBytes = 16;
const mark = 0x65706e73;

/** Node has one from 20.15 on; the fallback gives the same results, slower. */
const crc32: (bytes: Uint8Array) => number = (zlib as { crc32?: (bytes: Uint8Array) => number }).crc32 ?? plainCrc32;

/** The hash of a prompt under an encoder: 128 bits. */
export const promptHash = (encoder: string, prompt: string): Uint8Array =>
  createHash("sha256").update(encoder).update("\0").update(prompt).digest().subarray(0, hashBytes);

export const shortHash = (hash: Uint8Array): Hash64 => {
  const view = new DataView(hash.buffer, hash.byteOffset, 8);
  return [view.getUint32(0, true), view.getUint32(4, true)];
};

/** Writes the header of a record that already holds its embedding. */
export function seal(record: Uint8Array, hash: Uint8Array): void {
  const view = new DataView(record.buffer, record.byteOffset, record.length);
  record.set(hash);
  view.setUint32(20, mark, true);
  view.setUint32(16, checksum(record), true);
}

/** Whether a record is whole and of this hash. */
export function isSealed(record: Uint8Array, hash: Uint8Array): boolean {
  const view = new DataView(record.buffer, record.byteOffset, record.length);
  if (view.getUint32(20, true) !== mark) return false;
  for (let i = 0; i < hashBytes; i++) if (record[i] !== hash[i]) return false;
  return view.getUint32(16, true) === checksum(record);
}

/** Of hash, mark and embedding: the hash's own CRC is XORed in. */
const checksum = (record: Uint8Array): number => (crc32(record.subarray(20)) ^ crc32(record.subarray(0, hashBytes))) >>> 0;
