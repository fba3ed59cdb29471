import { constants } from "node:fs";
import { access, realpath, rename, rm, stat, writeFile } from "node:fs/promises";
import { basename, dirname, join } from "node:path";
import { SnoopiError } from "@snoopi/core";

/** A place for a file that appears whole or not at all. */
export interface Output {
  write(bytes: Uint8Array): Promise<void>;
}

const reasons: Readonly<Record<string, string>> = {
  ENOENT: "there is no such folder",
  ENOTDIR: "there is no such folder",
  EACCES: "permission denied",
  EPERM: "permission denied",
  EROFS: "the file system is read-only",
  ENOSPC: "no space is left on the device",
  EDQUOT: "no space is left for this user",
};

/**
 * Checks, before any work is done for it, that a file can be written at `path`: a temporary file beside it is created and removed.
 * The real one is written the same way and renamed at the end, so that a reader never sees half of it. A link's target is replaced, not the link.
 */
export async function openOutput(path: string): Promise<Output> {
  const refused = (error: unknown): never => {
    const { code, message } = error as NodeJS.ErrnoException;
    throw new SnoopiError(`${path}: it cannot be written, ${reasons[code ?? ""] ?? message}. Choose another place with --out.`, {
      cause: error,
    });
  };
  const target = await realpath(path).catch(() => path);
  const old = await stat(target).catch(() => undefined);
  if (old && !old.isFile())
    throw new SnoopiError(`${path}: it cannot be written, there is something that is not a file. Choose another place with --out.`);
  // A file its owner protected is not replaced, though renaming over it would be allowed.
  if (old) await access(target, constants.W_OK).catch(refused);
  const temporary = join(dirname(target), `.${basename(target)}.${process.pid}.tmp`);
  const put = (bytes: Uint8Array) => writeFile(temporary, bytes, { flag: "wx" });
  try {
    await put(new Uint8Array(0));
  } catch (error) {
    refused(error);
  }
  await rm(temporary);
  return {
    async write(bytes) {
      try {
        await put(bytes);
        await rename(temporary, target);
      } catch (error) {
        await rm(temporary, { force: true });
        refused(error);
      }
    },
  };
}
