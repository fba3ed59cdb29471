import { type FileHandle, open, readdir, rename, rm, rmdir } from "node:fs/promises";
import { basename, dirname, join, resolve } from "node:path";
import { SnoopiError } from "@snoopi/core";
import type { ByteSource, Folder } from "@snoopi/models";
import { isThere, makeFolder } from "../train/node/folder.ts";
import { lockFolder } from "../train/node/lock.ts";
import { checkRoom } from "./room.ts";

export interface WriteFolderOptions {
  /** Bytes written so far and in all. */
  readonly onBytes?: (done: number, total: number) => void;
  readonly signal?: AbortSignal;
}

/** Bytes that are read and written at once. */
const atOnce = 16 * 2 ** 20;

/**
 * Copies files of any folder to a new one on disk. It appears under its name when it is complete: until then it is a hidden folder beside it, which is
 * removed on failure.
 *
 * @throws SnoopiError if `out` exists and is not an empty folder, and if it cannot be written.
 */
export async function writeFolder(folder: Folder, paths: readonly string[], out: string, options: WriteFolderOptions = {}): Promise<void> {
  const target = resolve(out);
  if (isThere(target) && !(await isEmptyFolder(target)))
    throw new SnoopiError(`${out}: it exists already. Choose another place with --out, or move it away.`);
  const begun = join(dirname(target), `.${basename(target)}.part`);
  await makeFolder(begun);
  await using _ = await lockFolder(begun);
  try {
    await writeFiles(folder, paths, begun, { ...options, out });
    if (isThere(target)) await rmdir(target);
    await rename(begun, target);
    await rm(join(target, ".lock"), { force: true });
  } catch (error) {
    await rm(begun, { recursive: true, force: true });
    const { code, message } = error as NodeJS.ErrnoException;
    if (error instanceof SnoopiError || code === undefined || options.signal?.aborted) throw error;
    throw new SnoopiError(`${out}: it cannot be written, ${message}. Make room, or choose another place with --out.`, { cause: error });
  }
}

async function isEmptyFolder(path: string): Promise<boolean> {
  const names = await readdir(path).catch(() => undefined);
  return names?.length === 0;
}

async function writeFiles(
  folder: Folder,
  paths: readonly string[],
  into: string,
  { out, onBytes, signal }: WriteFolderOptions & { readonly out: string },
): Promise<void> {
  const sources = new Map<string, ByteSource>();
  try {
    for (const path of paths) sources.set(path, await folder.open(path));
    const total = [...sources.values()].reduce((sum, { size }) => sum + size, 0);
    await checkRoom(into, total, out);
    let done = 0;
    onBytes?.(0, total);
    for (const [path, source] of sources) {
      const file = join(into, ...path.split("/"));
      await makeFolder(dirname(file));
      const handle = await open(file, "w");
      try {
        for await (const written of copied(source, handle, { name: `${folder.name}/${path}`, ...(signal && { signal }) })) {
          done += written;
          onBytes?.(done, total);
        }
      } finally {
        await handle.close();
      }
    }
  } finally {
    for (const source of sources.values()) await source.close?.();
  }
}

/** Copies a file, and yields the length of each part once it is written. */
async function* copied(
  source: ByteSource,
  handle: FileHandle,
  { name, signal }: { name: string; signal?: AbortSignal },
): AsyncGenerator<number> {
  for (let at = 0; at < source.size; ) {
    signal?.throwIfAborted();
    const bytes = await source.read(at, Math.min(at + atOnce, source.size));
    if (bytes.length === 0) throw new SnoopiError(`${name}: it ends at byte ${at} of ${source.size}. Download the file again.`);
    await handle.writeFile(bytes);
    at += bytes.length;
    yield bytes.length;
  }
}
