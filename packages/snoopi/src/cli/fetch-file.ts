import { createHash, type Hash } from "node:crypto";
import { createReadStream } from "node:fs";
import { type FileHandle, open, rename, rm, stat, truncate } from "node:fs/promises";
import { basename, dirname, join } from "node:path";
import { setTimeout } from "node:timers/promises";
import { SnoopiError } from "@snoopi/core";
import type { HubFile, HubFolder } from "@snoopi/models";
import { isThere, makeFolder, sweep } from "../train/node/folder.ts";

export interface FetchOptions {
  /** Called with the bytes on disk so far. */
  readonly onBytes?: (there: number) => void;
  readonly signal?: AbortSignal;
}

/** Consecutive connections without a new byte after which it gives up. */
const mostFailures = 5;

/**
 * Downloads a file of a hub into a folder, under the same path. It appears complete and with the hub's digest, or not at all: a partial
 * download lies beside it, and the next call resumes it. A file that is already there with that digest is left alone.
 *
 * @throws SnoopiError for bytes with another digest than the hub's, and for a disk or a network that fails.
 */
export async function fetchFile(remote: HubFolder, path: string, folder: string, { onBytes, signal }: FetchOptions = {}): Promise<void> {
  const file = remote.files.get(path);
  if (!file) throw new SnoopiError(`${remote.name}/${path}: there is no such file.`);
  const target = join(folder, ...path.split("/"));
  await makeFolder(dirname(target));
  try {
    if ((await sizeAt(target)) === file.size && (await digestOf(target, file, signal)).digest("hex") === file.digest.hex) {
      onBytes?.(file.size);
      return;
    }
    const part = partOf(target, file);
    const came = await sizeAt(part);
    if (came !== undefined && came > file.size) await truncate(part, 0);
    const hash = came === undefined ? hashOf(file) : await digestOf(part, file, signal);
    const handle = await open(part, "a");
    try {
      await append(handle, hash);
    } finally {
      await handle.close();
    }
    if (hash.digest("hex") !== file.digest.hex) {
      await rm(part);
      throw new SnoopiError(`${remote.name}/${path}: what came has other bytes than the hub tells of. Download it again.`);
    }
    await rename(part, target);
    // Partial downloads of other revisions are no longer of use.
    await sweep(dirname(target), new RegExp(`^\\.${basename(target).replaceAll(/[^\w-]/g, "\\$&")}\\.[0-9a-f]+\\.part$`));
  } catch (error) {
    const { code, message } = error as NodeJS.ErrnoException;
    if (error instanceof SnoopiError || code === undefined || signal?.aborted) throw error;
    throw new SnoopiError(`${target}: it cannot be written, ${message}. Make room, or choose another place with --out.`, { cause: error });
  }

  async function append(handle: FileHandle, hash: Hash): Promise<void> {
    let there = (await handle.stat()).size;
    onBytes?.(there);
    for (let failures = 0; there < file!.size; ) {
      const before = there;
      let writing = false;
      let reason = "it ends too soon";
      try {
        for await (const chunk of await remote.stream(path, { start: there })) {
          signal?.throwIfAborted();
          writing = true;
          await handle.appendFile(chunk);
          writing = false;
          hash.update(chunk);
          there += chunk.length;
          onBytes?.(there);
        }
      } catch (error) {
        if (writing || error instanceof SnoopiError || signal?.aborted) throw error;
        reason = (error as Error).message;
      }
      if (there > file!.size) throw new SnoopiError(`${remote.name}/${path}: more came than its ${file!.size} bytes. Download it again.`);
      failures = there > before ? 0 : failures + 1;
      if (failures === mostFailures)
        throw new SnoopiError(`${remote.name}/${path}: the connection breaks off, ${reason}. Go on with the same line.`);
      if (failures > 0) await setTimeout(failures * 500, undefined, { ...(signal && { signal }) });
    }
  }
}

/** Named by the digest, so that a partial download of another revision is never resumed. */
const partOf = (target: string, { digest }: HubFile): string =>
  join(dirname(target), `.${basename(target)}.${digest.hex.slice(0, 12)}.part`);

/** Bytes of a file that need not be downloaded again, judged by sizes alone. */
export async function bytesThere(remote: HubFolder, path: string, folder: string): Promise<number> {
  const file = remote.files.get(path)!;
  const target = join(folder, ...path.split("/"));
  return (await sizeAt(target)) === file.size ? file.size : Math.min(file.size, (await sizeAt(partOf(target, file))) ?? 0);
}

/** The size of a file, if there is one. @throws SnoopiError for a folder. */
async function sizeAt(path: string): Promise<number | undefined> {
  if (!isThere(path)) return undefined;
  const found = await stat(path);
  if (found.isDirectory()) throw new SnoopiError(`${path}: a folder is where a file is to be. Move it away, or give another --out.`);
  return found.size;
}

/** Git hashes a header and then the file's bytes. */
function hashOf({ size, digest: { by } }: HubFile): Hash {
  return by === "sha256" ? createHash("sha256") : createHash("sha1").update(`blob ${size}\0`);
}

async function digestOf(path: string, file: HubFile, signal: AbortSignal | undefined): Promise<Hash> {
  const hash = hashOf(file);
  for await (const chunk of createReadStream(path, { ...(signal && { signal }) })) hash.update(chunk);
  return hash;
}
