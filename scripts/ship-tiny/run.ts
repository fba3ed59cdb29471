import { readFileSync } from "node:fs";
import { join } from "node:path";
import { SnoopiError } from "@snoopi/core";
import { isThere } from "../../packages/snoopi/src/train/node/folder.ts";
import { stepsOf } from "../tiny-world/steps.ts";

/** @throws SnoopiError for a folder that is not of `npm run tiny-world`, and for one with unfinished steps. */
export function checkRun(run: string): void {
  const record = join(run, "steps.json");
  if (!isThere(record))
    throw new SnoopiError(`${run}: there is no steps.json. Give the folder of npm run tiny-world, or --teacher and --student.`);
  const steps: Record<string, { done: boolean }> = JSON.parse(readFileSync(record, "utf8"));
  // A step is recorded when it ends: one that was killed, and those after it, have no entry.
  const last = stepsOf("full", run).at(-1)!.name;
  const open = Object.keys({ ...steps, [last]: true }).filter((name) => !steps[name]?.done);
  if (open.length > 0) throw new SnoopiError(`${run}: ${open.join(", ")} did not come to its end. Go on with npm run tiny-world.`);
}
