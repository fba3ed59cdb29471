import { statSync } from "node:fs";
import { mkdir, readdir, rm, stat } from "node:fs/promises";
import { dirname, join } from "node:path";
import { SnoopiError } from "@snoopi/core";

/**
 * Makes a folder and those above it. Node's own recursive `mkdir` never ends if an existing folder refuses a new one, as `/proc` does.
 * @throws SnoopiError when it cannot be made.
 */
export async function makeFolder(path: string): Promise<void> {
  try {
    await made(path);
  } catch (error) {
    throw new SnoopiError(`${path}: the folder cannot be made, ${(error as Error).message}. Choose another place with --out.`, {
      cause: error,
    });
  }
}

async function made(path: string): Promise<void> {
  try {
    await mkdir(path);
  } catch (error) {
    const { code } = error as NodeJS.ErrnoException;
    if (code === "EEXIST" && (await stat(path)).isDirectory()) return;
    if (code !== "ENOENT" || dirname(path) === path) throw error;
    await made(dirname(path));
    await mkdir(path);
  }
}

/** The names in a folder, none if it does not exist. @throws SnoopiError when it cannot be read. */
export const namesIn = (path: string): Promise<string[]> =>
  readdir(path).catch((error: NodeJS.ErrnoException) => {
    if (error.code === "ENOENT") return [];
    throw new SnoopiError(`${path}: it cannot be read, ${error.message}.`, { cause: error });
  });

/**
 * Whether there is a file or folder of this name. Node's own `existsSync` is false for what it may not look at.
 * @throws SnoopiError when it cannot be determined.
 */
export function isThere(path: string): boolean {
  try {
    statSync(path);
    return true;
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === "ENOENT") return false;
    throw new SnoopiError(`${path}: it cannot be read, ${(error as Error).message}.`, { cause: error });
  }
}

/** Removes what a killed run had begun to write: files and folders of names like `begun`. */
export async function sweep(folder: string, begun: RegExp): Promise<void> {
  const left = (await readdir(folder)).filter((name) => begun.test(name));
  await Promise.all(left.map((name) => rm(join(folder, name), { recursive: true, force: true })));
}
