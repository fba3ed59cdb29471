import { setFlagsFromString } from "node:v8";
import { runInNewContext } from "node:vm";

setFlagsFromString("--expose-gc");
const collect = runInNewContext("gc") as () => void;

/** How often, at most. The first waits are of a millisecond and each is twice the one before: two seconds in all. */
const most = 12;

/**
 * Collects garbage, and lets finalizers run, until `done` says so or nothing more is to be expected. Finalizers run in tasks of their own after a
 * collection, and what one lets go of may hold another's last handle.
 */
export async function collectGarbage(done: () => boolean): Promise<void> {
  for (let i = 0; i < most && !done(); i++) {
    collect();
    await new Promise((next) => setTimeout(next, 2 ** (i - 1)));
  }
}
