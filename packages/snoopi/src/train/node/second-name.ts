import { copyFile, link, mkdir, readdir, realpath, rename, rm, stat } from "node:fs/promises";
import { basename, dirname, join } from "node:path";
import { SnoopiError } from "@snoopi/core";

/**
 * Hard-links a file, or all files of a folder, which takes no space; if the file system cannot, copies them. All that is written here
 * replaces whole files and never writes into one, so a change by one name does not show under the other. An existing file stays as it is.
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
  // A download's cache holds symbolic links: the file is wanted, not the link.
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
