import { setFlagsFromString } from "node:v8";
import { runInNewContext } from "node:vm";

setFlagsFromString("--expose-gc");
const collect = runInNewContext("gc") as () => void;

/** The most collections. The waits after them begin at about a millisecond and double: two seconds in all. */
const most = 12;

/**
 * Collects garbage, and lets finalizers run, until `done` is true or nothing more is to be expected. Finalizers run in tasks of their own
 * after a collection, and what one frees may hold another's last handle.
 */
export async function collectGarbage(done: () => boolean): Promise<void> {
  for (let i = 0; i < most && !done(); i++) {
    collect();
    await new Promise((next) => setTimeout(next, 2 ** (i - 1)));
  }
}
