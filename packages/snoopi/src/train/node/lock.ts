import { link, readFile, rename, rm, writeFile } from "node:fs/promises";
import { hostname } from "node:os";
import { join } from "node:path";
import { SnoopiError } from "@snoopi/core";
import { isAlive, startOf } from "./alive.ts";

interface Owner {
  readonly pid: number;
  readonly host: string;
  /** When the process began, as the system tells it: distinguishes it from a later process with the same id. */
  readonly began: string;
}

/**
 * Keeps a folder for this run until it is disposed of, by a file `.lock` in it. The lock of a run that was killed is taken over.
 * @throws SnoopiError when another run has it.
 */
export async function lockFolder(folder: string): Promise<AsyncDisposable> {
  const path = join(folder, ".lock");
  const own = JSON.stringify({ pid: process.pid, host: hostname(), began: String(startOf(process.pid) ?? "") } satisfies Owner);
  const mine = join(folder, `.lock.${crypto.randomUUID().slice(0, 8)}`);
  const release = { [Symbol.asyncDispose]: () => rm(path, { force: true }) };
  try {
    await writeFile(mine, own, { flag: "wx" });
    // Three tries: between two looks the owner may end, or another process take the lock over.
    for (let tries = 0; tries < 3; tries++) {
      if (await linked(mine, path)) return release;
      const there = await readFile(path, "utf8").catch(() => undefined);
      if (there === undefined) continue;
      const owner = ownerOf(there);
      if (owner && works(owner)) {
        throw new SnoopiError(
          `${folder}: process ${owner.pid}${owner.host === hostname() ? "" : ` of ${owner.host}`} is at work in it. Wait for it, give another --out, or remove ${path} if that is no run.`,
        );
      }
      // Renamed, so that only one process takes it over; if it has become another's lock by then, it is put back.
      const old = `${mine}.old`;
      await rename(path, old).catch(() => {});
      const taken = await readFile(old, "utf8").catch(() => undefined);
      if (taken !== undefined && taken !== there) await linked(old, path);
      await rm(old, { force: true });
    }
    throw new SnoopiError(`${folder}: other runs begin in it as well. Give each an --out of its own.`);
  } catch (error) {
    if (error instanceof SnoopiError) throw error;
    throw new SnoopiError(`${path}: it cannot be written, ${(error as Error).message}. Make room, or choose another place with --out.`, {
      cause: error,
    });
  } finally {
    await rm(mine, { force: true });
  }
}

const linked = (from: string, to: string): Promise<boolean> =>
  link(from, to).then(
    () => true,
    (error: NodeJS.ErrnoException) => {
      if (error.code === "EEXIST") return false;
      throw error;
    },
  );

function ownerOf(text: string): Owner | undefined {
  try {
    const { pid, host, began } = JSON.parse(text);
    return Number.isSafeInteger(pid) && pid > 0 ? { pid, host, began } : undefined;
  } catch {
    return undefined;
  }
}

/** Whether an owner may be running. One on another machine always may: nothing is known of it. */
const works = ({ pid, host, began }: Owner): boolean => host !== hostname() || isAlive(pid, began === "" ? undefined : Number(began));
