import { statfs } from "node:fs/promises";
import { SnoopiError } from "@snoopi/core";
import { shownBytes } from "./progress.ts";

/** @throws SnoopiError if a folder's disk has not enough room for `bytes` more. `out` is the folder's name in the error. */
export async function checkRoom(folder: string, bytes: number, out = folder): Promise<void> {
  const { bavail, bsize } = await statfs(folder);
  if (bytes <= bavail * bsize) return;
  throw new SnoopiError(
    `${out}: there is room for ${shownBytes(bavail * bsize)}, and ${shownBytes(bytes)} are to come. Make room, or choose another place with --out.`,
  );
}
