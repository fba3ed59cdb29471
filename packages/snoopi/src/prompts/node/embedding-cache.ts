import { constants } from "node:fs";
import { join } from "node:path";
import { convert, SnoopiError } from "@snoopi/core";
import { isThere, makeFolder } from "../../train/node/folder.ts";
import type { EmbeddingRows, EmbeddingStore } from "../cached-embeddings.ts";
import { hashIndex } from "../hash-index.ts";
import { type CacheFacts, checkFacts } from "./cache-facts.ts";
import { headerBytes, isSealed, promptHash, seal, shortHash } from "./embedding-records.ts";
import { type OpenFile, openFile } from "./open-file.ts";
import { lockForWriting, type WriterLock } from "./writer-lock.ts";

export interface EmbeddingCacheOptions extends CacheFacts {
  /** One process at a time may write, and any number read. Default write. */
  readonly mode?: "write" | "read";
}

/** Embeddings in a folder. */
export interface EmbeddingCache extends EmbeddingStore, Disposable {
  /** How many records it knows of. */
  readonly count: number;
  /** How many lookups found a broken record: such prompts count as missing, and are written again. */
  readonly damaged: number;
  /** Picks up what another process has written since. */
  refresh(): void;
  /** Waits until all is on the disk. Without it, what a power failure loses has to be encoded again. */
  flush(): void;
}

const dataFile = "embeddings.bin";
const indexFile = "index.bin";
const indexBytes = 8;
/** The most bytes read or written at once. */
const pieceBytes = 1 << 25;

/**
 * Opens a cache of text embeddings. Records are appended to `embeddings.bin`, each with its key's hash and a checksum; `index.bin` has the first half
 * of each hash in the same order and is extended if it is too short. A process that is killed leaves at most a truncated record, which
 * the next writer removes, and every record that is read is checked: a wrong embedding is never returned, only a missing one.
 *
 * @param folder created for writing if it does not exist.
 * @throws SnoopiError when the cache has other facts, when another process writes it, and for a folder that cannot be read or written.
 */
export async function openEmbeddingCache(folder: string, { mode = "write", ...facts }: EmbeddingCacheOptions): Promise<EmbeddingCache> {
  const writable = mode === "write";
  if (!facts.shape.every((one) => Number.isSafeInteger(one) && one > 0)) {
    throw new SnoopiError(`${folder}: embeddings of shape [${facts.shape.join(", ")}] cannot be kept. Give whole numbers above 0.`);
  }
  if (writable) await makeFolder(folder);
  else if (!isThere(folder)) throw new SnoopiError(`${folder}: there is no such folder. Open it for writing first.`);
  const lock = writable ? lockForWriting(folder) : undefined;
  try {
    return opened(folder, facts, lock);
  } catch (error) {
    lock?.release();
    throw error;
  }
}

function opened(folder: string, { encoder, shape, dtype }: CacheFacts, lock: WriterLock | undefined): EmbeddingCache {
  const writable = lock !== undefined;
  checkFacts(folder, { encoder, shape, dtype }, { create: writable, started: isThere(join(folder, dataFile)) });
  const flags = writable ? constants.O_RDWR | constants.O_CREAT : constants.O_RDONLY;
  const data = openFile(join(folder, dataFile), flags);
  let indexed: OpenFile | undefined;
  try {
    indexed = openFile(join(folder, indexFile), flags);
    return cacheOf({ folder, data, indexed, facts: { encoder, shape, dtype }, lock });
  } catch (error) {
    data.close();
    indexed?.close();
    throw error;
  }
}

interface CacheFiles {
  readonly folder: string;
  readonly data: OpenFile;
  readonly indexed: OpenFile;
  readonly facts: CacheFacts;
  readonly lock: WriterLock | undefined;
}

function cacheOf({ folder, data, indexed, facts: { encoder, shape, dtype }, lock }: CacheFiles): EmbeddingCache {
  const writable = lock !== undefined;
  const size = shape[0] * shape[1];
  const arrays = { f32: Float32Array, f16: Uint16Array }[dtype];
  const recordBytes = headerBytes + size * arrays.BYTES_PER_ELEMENT;
  const record = new Uint8Array(recordBytes);
  const payload = new arrays(record.buffer, headerBytes, size);
  const index = hashIndex();
  let damaged = 0;

  /** Adds records that are in the files but not in the index in memory. */
  const refresh = () => {
    const whole = Math.floor(data.size() / recordBytes);
    const listed = Math.min(Math.floor(indexed.size() / indexBytes), whole);
    eachRecord(indexed, { from: index.count, to: listed, stride: indexBytes, bytes: indexBytes }, (hash) => index.add(shortHash(hash)));
    eachRecord(data, { from: index.count, to: whole, stride: recordBytes, bytes: indexBytes }, (hash) => {
      if (writable) indexed.write(hash, index.count * indexBytes);
      index.add(shortHash(hash));
    });
  };
  const write = (hashes: readonly Uint8Array[], rows: EmbeddingRows) => {
    const records = new Uint8Array(hashes.length * recordBytes);
    const starts = new Uint8Array(hashes.length * indexBytes);
    for (const [i, hash] of hashes.entries()) {
      const one = records.subarray(i * recordBytes, (i + 1) * recordBytes);
      const row = rows.subarray(i * size, (i + 1) * size);
      one.set(new Uint8Array(row.buffer, row.byteOffset, row.byteLength), headerBytes);
      seal(one, hash);
      starts.set(hash.subarray(0, indexBytes), i * indexBytes);
    }
    // The index is written after the data, so that it never lists a record that is not there.
    try {
      data.write(records, index.count * recordBytes);
      indexed.write(starts, index.count * indexBytes);
    } catch (error) {
      data.truncate(index.count * recordBytes);
      indexed.truncate(index.count * indexBytes);
      throw error;
    }
    for (const hash of hashes) index.add(shortHash(hash));
  };
  /** Whether the record of a prompt is now in `payload`. */
  const load = (prompt: string): boolean => {
    const hash = promptHash(encoder, prompt);
    const found = index.find(shortHash(hash));
    for (const n of found.toReversed()) {
      if (data.read(record, n * recordBytes) === recordBytes && isSealed(record, hash)) return true;
    }
    if (found.length > 0) damaged++;
    return false;
  };

  if (writable) data.truncate(Math.floor(data.size() / recordBytes) * recordBytes);
  refresh();
  if (writable) indexed.truncate(index.count * indexBytes);

  return {
    shape,
    dtype,
    writable,
    get count() {
      return index.count;
    },
    get damaged() {
      return damaged;
    },
    find(prompts) {
      const all = new arrays(prompts.length * size);
      const missing: number[] = [];
      for (const [i, prompt] of prompts.entries()) {
        if (load(prompt)) all.set(payload, i * size);
        else missing.push(i);
      }
      return { data: all, missing };
    },
    stored(rows) {
      const kept = convert("f32", rows, dtype) as EmbeddingRows;
      const bad = kept.findIndex((value, i) => !Number.isFinite(rows[i]) || (dtype === "f16" && (value & 0x7c00) === 0x7c00));
      if (bad < 0) return kept;
      throw new SnoopiError(
        `${folder}: an embedding has ${rows[bad]}, which is not finite in ${dtype}. ${Number.isFinite(rows[bad]) ? "Keep f32" : "Check the encoder"}.`,
      );
    },
    add(prompts, rows) {
      if (!writable) throw new SnoopiError(`${folder}: the cache is open for reading. Open it for writing.`);
      if (rows.length !== prompts.length * size || !(rows instanceof arrays)) {
        throw new SnoopiError(
          `${folder}: ${rows.length} numbers for ${prompts.length} prompts of ${size} in ${dtype}. Give what stored() made.`,
        );
      }
      const atOnce = Math.max(1, Math.floor(pieceBytes / recordBytes));
      for (let first = 0; first < prompts.length; first += atOnce) {
        const some = prompts.slice(first, first + atOnce);
        write(
          some.map((prompt) => promptHash(encoder, prompt)),
          rows.subarray(first * size, (first + some.length) * size),
        );
      }
    },
    refresh,
    flush() {
      data.flush();
      indexed.flush();
    },
    [Symbol.dispose]() {
      data.close();
      indexed.close();
      lock?.release();
    },
  };
}

/** Calls `use` with the first `bytes` of records `from` to below `to`. */
function eachRecord(
  file: OpenFile,
  { from, to, stride, bytes }: { readonly from: number; readonly to: number; readonly stride: number; readonly bytes: number },
  use: (start: Uint8Array) => void,
): void {
  const atOnce = stride === bytes ? Math.floor(pieceBytes / stride) : 1;
  for (let n = from; n < to; n += atOnce) {
    const piece = new Uint8Array((Math.min(to, n + atOnce) - n) * bytes);
    file.read(piece, n * stride);
    for (let at = 0; at < piece.length; at += bytes) use(piece.subarray(at, at + bytes));
  }
}
