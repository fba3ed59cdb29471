import { closeSync, fstatSync, fsyncSync, ftruncateSync, openSync, readSync, writeSync } from "node:fs";
import { SnoopiError } from "@snoopi/core";

/** A file that is read and written at offsets, synchronously. */
export interface OpenFile {
  size(): number;
  /** Fills `into` from offset `at` on. Returns how many bytes there were. */
  read(into: Uint8Array, at: number): number;
  write(bytes: Uint8Array, at: number): void;
  truncate(size: number): void;
  flush(): void;
  close(): void;
}

/** @throws SnoopiError, as every call does, for what the system refuses. */
export function openFile(path: string, flags: number | string): OpenFile {
  const tried = <T>(what: string, run: () => T): T => {
    try {
      return run();
    } catch (error) {
      throw new SnoopiError(`${path}: it cannot be ${what}, ${(error as Error).message}.`, { cause: error });
    }
  };
  const file = tried("opened", () => openSync(path, flags, 0o666));
  return {
    size: () => tried("read", () => fstatSync(file).size),
    read: (into, at) =>
      tried("read", () => {
        let filled = 0;
        while (filled < into.length) {
          const count = readSync(file, into, filled, into.length - filled, at + filled);
          if (count === 0) break;
          filled += count;
        }
        return filled;
      }),
    write: (bytes, at) =>
      tried("written", () => {
        for (let done = 0; done < bytes.length; ) done += writeSync(file, bytes, done, bytes.length - done, at + done);
      }),
    truncate: (size) => tried("written", () => ftruncateSync(file, size)),
    flush: () => tried("written", () => fsyncSync(file)),
    close: () => closeSync(file),
  };
}
