import { rename, rm } from "node:fs/promises";
import { isThere } from "../../packages/snoopi/src/train/node/folder.ts";

/** Where a folder is, where its successor is built, and where it waits until that is in its place. */
export interface Places {
  readonly target: string;
  readonly temporary: string;
  readonly old: string;
}

/**
 * Puts folders in others' places, all of them or, if one cannot be, none. A reader finds old ones or new ones, but for a moment neither,
 * and while several are put in place some of each.
 */
export async function replaceAll(places: readonly Places[]): Promise<void> {
  const begun: Places[] = [];
  try {
    for (const one of places) {
      await rm(one.old, { recursive: true, force: true });
      if (isThere(one.target)) await rename(one.target, one.old);
      begun.push(one);
      await rename(one.temporary, one.target);
    }
  } catch (error) {
    for (const { target, old } of begun) {
      await rm(target, { recursive: true, force: true });
      if (isThere(old)) await rename(old, target);
    }
    throw error;
  }
  for (const { old } of places) await rm(old, { recursive: true, force: true });
}
