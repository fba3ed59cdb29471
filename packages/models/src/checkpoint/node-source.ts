import { open } from "node:fs/promises";
import { SnoopiError } from "@snoopi/core";
import type { ByteSource } from "./source.ts";

/** A file, read in ranges. It stays open until `close`. */
export async function fileSource(path: string): Promise<ByteSource> {
  const file = await open(path, "r").catch((error: NodeJS.ErrnoException) => {
    throw new SnoopiError(`${path}: ${reason(error)}.`);
  });
  const status = await file.stat();
  if (!status.isFile()) {
    await file.close();
    throw new SnoopiError(`${path}: this is not a file.`);
  }
  return {
    size: status.size,
    async read(start, end) {
      const bytes = new Uint8Array(Math.max(0, end - start));
      let filled = 0;
      // One call may return less than asked for (2 GiB is the system's limit on Linux).
      while (filled < bytes.length) {
        const { bytesRead } = await file.read(bytes, filled, Math.min(bytes.length - filled, 1 << 30), start + filled);
        if (bytesRead === 0) break;
        filled += bytesRead;
      }
      return bytes.subarray(0, filled);
    },
    close: () => file.close(),
  };
}

/** What a file system error means, without its code and stack. */
export function reason(error: NodeJS.ErrnoException): string {
  const known: Record<string, string> = {
    ENOENT: "there is no such file or folder",
    ENOTDIR: "this is not a folder",
    EACCES: "permission denied",
    EPERM: "permission denied",
    EROFS: "the file system is read-only",
    ENOSPC: "no space left on the device",
    EISDIR: "this is a folder",
  };
  return known[error.code ?? ""] ?? error.message;
}
