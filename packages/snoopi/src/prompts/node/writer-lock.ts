import { closeSync, openSync, readdirSync, unlinkSync } from "node:fs";
import { hostname } from "node:os";
import { join } from "node:path";
import { SnoopiError } from "@snoopi/core";
import { isAlive, startOf } from "../../train/node/alive.ts";

/** The right to write a folder, until released. */
export interface WriterLock {
  release(): void;
}

// A lock is an empty file whose name says who holds it, so that it is complete as soon as it exists. A writer first makes its own and then
// looks for others: of two that do so at once, at least one sees the other and gives up.

const lockName = /^writer-(.+)-(\d+)-(\d+)\.lock$/;
const host = () => hostname().replace(/[^A-Za-z0-9.]/g, "_") || "host";

/**
 * Locks a folder against other writers. Locks of this machine's processes that have ended are removed.
 * @throws SnoopiError when another process writes it, or this one does already.
 */
export function lockForWriting(folder: string): WriterLock {
  const own = `writer-${host()}-${process.pid}-${startOf(process.pid) ?? 0}.lock`;
  try {
    closeSync(openSync(join(folder, own), "wx"));
  } catch (error) {
    const { code, message } = error as NodeJS.ErrnoException;
    if (code === "EEXIST") throw new SnoopiError(`${folder}: this process writes it already (${own}). Let go of the first.`);
    throw new SnoopiError(`${folder}: it cannot be written, ${message}.`, { cause: error });
  }
  const release = () => removed(join(folder, own));
  try {
    for (const name of readdirSync(folder)) {
      const [, where, pid, start] = lockName.exec(name) ?? [];
      if (where === undefined || name === own) continue;
      if (where === host() && !isAlive(Number(pid), Number(start) || undefined)) removed(join(folder, name));
      else {
        throw new SnoopiError(
          `${folder}: process ${pid}${where === host() ? "" : ` on ${where}`} writes it. Wait until it ends${where === host() ? "" : `, or remove ${name} if it is no more`}.`,
        );
      }
    }
  } catch (error) {
    release();
    throw error;
  }
  return { release };
}

function removed(path: string): void {
  try {
    unlinkSync(path);
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code !== "ENOENT") throw error;
  }
}
