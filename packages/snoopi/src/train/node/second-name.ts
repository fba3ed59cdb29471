import { copyFile, link, mkdir, readdir, realpath, rename, rm, stat } from "node:fs/promises";
import { basename, dirname, join } from "node:path";
import { SnoopiError } from "@snoopi/core";

/**
 * Gives a file, or all files of a folder, a second name, which takes no room; where the file system has none to give, a copy. All that is written
 * here replaces files whole and writes into none, so what one name shows does not change by the other. A file that is there stays as it is.
 *
 * @throws SnoopiError when it cannot be written.
 */
export async function secondName(from: string, to: string): Promise<void> {
  try {
    await named(from, to);
  } catch (error) {
    throw new SnoopiError(`${to}: it cannot be taken over from ${from}, ${(error as Error).message}. Make room and go on with --resume.`, {
      cause: error,
    });
  }
}

async function named(from: string, to: string): Promise<void> {
  if ((await stat(from)).isDirectory()) {
    await mkdir(to, { recursive: true });
    for (const name of await readdir(from)) await named(join(from, name), join(to, name));
    return;
  }
  // A download's cache holds links: the file is wanted, not the link.
  await link(await realpath(from), to).catch(async (error: NodeJS.ErrnoException) => {
    if (error.code !== "EEXIST") await copied(from, to);
  });
}

/** Whole or not at all. */
async function copied(from: string, to: string): Promise<void> {
  const begun = join(dirname(to), `.${basename(to)}.${process.pid}.tmp`);
  try {
    await copyFile(from, begun);
    await rename(begun, to);
  } catch (error) {
    await rm(begun, { force: true });
    throw error;
  }
}
