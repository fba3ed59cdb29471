import { setFlagsFromString } from "node:v8";
import { runInNewContext } from "node:vm";

setFlagsFromString("--expose-gc");
const collect = runInNewContext("gc") as () => void;

/** Finalizers run in tasks of their own after a collection, and what one lets go of may hold another's last handle. */
const most = 6;

/** Collects garbage, and lets finalizers run, until `done` says so or nothing more is to be expected. */
export async function collectGarbage(done: () => boolean): Promise<void> {
  for (let i = 0; i < most && !done(); i++) {
    collect();
    await new Promise((next) => setTimeout(next, 1));
  }
}
