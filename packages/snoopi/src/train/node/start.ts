import { rename, rm } from "node:fs/promises";
import { basename, join, resolve } from "node:path";
import { SnoopiError } from "@snoopi/core";
import type { DistillConfig } from "../distill-config.ts";
import { checkCheckpoint, checkpointPath } from "./checkpoint.ts";
import { makeFolder, namesIn } from "./folder.ts";
import { checkPairs } from "./pairs.ts";
import { secondName } from "./second-name.ts";

/** What the pairs and regression of a start have to agree with, the same as on resuming. */
export interface StartIdentity {
  readonly pairs: unknown;
  /** Where the config has a regression. */
  readonly regression?: unknown;
  /** Keys of the regression that need not agree. */
  readonly free: readonly string[];
}

const fix = "Take its config, with startSeed where the seeds alone differ, or leave --start out";
const pairsFile = /^pairs-\d+\.safetensors$/;

/**
 * Takes over pairs and regression from the folder of another student, as far as they exist: what is missing is made as usual. Since they
 * depend on the config alone, the student ends with the same bits as without. Pairs that the student has already stay, and so does its
 * regression if that has a checkpoint.
 *
 * @returns whether it took over what there was: false if the student has pairs or a regression of its own and is not resumed.
 * @throws SnoopiError if there are no pairs to take, and, before any is taken, if one is of another config or teacher or cannot be read.
 */
export async function takeStart(
  { start, out, resume }: { readonly start: string; readonly out: string; readonly resume: boolean },
  { pairs, regression, free }: StartIdentity,
): Promise<boolean> {
  const at = (folder: string, phase: string) => join(folder, "training", phase);
  const filesOf = async (folder: string, phase: "pairs" | "regression", wanted: RegExp) =>
    (await namesIn(at(folder, phase))).filter((name) => wanted.test(name)).sort();
  const drawn = await filesOf(start, "pairs", pairsFile);
  const learned = regression === undefined ? [] : await filesOf(start, "regression", /^(checkpoint|loss|sample)[^.]*\.\w+$/);
  if (drawn.length === 0) {
    throw new SnoopiError(
      `${at(start, "pairs")}: there are no pairs to start from. Give --start the folder of a student whose config has pairs.`,
    );
  }
  for (const name of drawn) await checkPairs(join(at(start, "pairs"), name), { config: pairs, fix });
  const trained = learned.includes("checkpoint.safetensors");
  if (trained) await checkCheckpoint(checkpointPath(at(start, "regression")), { config: regression, free, fix });
  const begun = await filesOf(out, "regression", /^checkpoint/);
  const own = [...(await filesOf(out, "pairs", pairsFile)), ...begun];
  if (own.length > 0 && !resume) return false;
  await makeFolder(at(out, "pairs"));
  for (const name of drawn) await secondName(join(at(start, "pairs"), name), join(at(out, "pairs"), name));
  if (trained && begun.length === 0) await takeTraining(learned, { from: at(start, "regression"), to: at(out, "regression") });
  return true;
}

/**
 * Takes over a checkpoint with its curve and sheets, from a training that may be running. Since that writes the curve before the
 * checkpoint, a curve taken after the checkpoint reaches at least as far; rows beyond it are dropped when read. The checkpoint gets its
 * name last: the curve, if missing, would not be made again.
 */
async function takeTraining(names: readonly string[], { from, to }: { readonly from: string; readonly to: string }): Promise<void> {
  await makeFolder(to);
  const taken = join(to, `.checkpoint.start.${process.pid}.tmp`);
  await secondName(checkpointPath(from), taken);
  for (const name of names) {
    if (name === basename(checkpointPath(from))) continue;
    // What is there is of an attempt that was cut short, and may end before this checkpoint.
    await rm(join(to, name), { force: true });
    await secondName(join(from, name), join(to, name));
  }
  await rename(taken, checkpointPath(to));
}

/** @throws SnoopiError for a start that cannot be one. */
export function checkStart({ pairs }: DistillConfig, { start, out }: { readonly start: string; readonly out: string }): void {
  if (pairs.count === 0) throw new SnoopiError("distill: --start is given, and pairs.count is 0. Leave --start out.");
  if (resolve(start) === resolve(out))
    throw new SnoopiError(`distill: --start is the student's own folder ${out}. Give another, or leave it out.`);
}
