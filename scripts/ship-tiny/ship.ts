import { readFile, rename, rm } from "node:fs/promises";
import { join } from "node:path";
import { SnoopiError } from "@snoopi/core";
import { manifest, matchWeights, requireMatch } from "@snoopi/models";
import { nodeFolder } from "@snoopi/models/node";
import { openModel } from "@snoopi/snoopi";
import { openOutput, writeJson } from "@snoopi/snoopi/node";
import { isThere, makeFolder } from "../../packages/snoopi/src/train/node/folder.ts";
import { writeScheduler } from "../../packages/snoopi/src/train/node/student-folder.ts";
import { card, type Made } from "./card.ts";
import { copyInHalf } from "./copy.ts";
import { figuresIn } from "./figures.ts";
import { holdings } from "./holding.ts";
import { type ModelName, type Part, partsOf } from "./parts.ts";
import { type Places, replaceAll } from "./replace.ts";
import { finishedTraining, type Training } from "./training.ts";

export interface ShipOptions {
  /** Models' folders as training leaves them. Those that are absent stay as they are in the package. */
  readonly models: Partial<Record<ModelName, string>>;
  /** The folder of the model that the teacher went on from, where it did. */
  readonly start?: string;
  /** Where `snoopi eval` wrote its tables. */
  readonly results: string;
  /** The package's folder. */
  readonly to: string;
}

/**
 * Puts trained models into the package, in f16, and writes its model card. A teacher may ship part by part: what it has is taken. Models
 * that ship together all appear, each whole, or none of them. Only a kill while they are renamed leaves some: ship again.
 *
 * @throws SnoopiError for an unfinished training, for weights that do not match their config, and for a model that lacks parts of it that
 * ship already.
 */
export async function ship({ models, start, results, to }: ShipOptions): Promise<string[]> {
  const before = await madeIn(to);
  const trained = { ...before.trained };
  const notes: string[] = [];
  const asked = Object.entries(models) as [ModelName, string][];
  try {
    for (const [name, from] of asked) {
      const parts = readyParts(name, from);
      const before = name === "teacher" ? start : undefined;
      trained[name] = before === undefined ? await trainingsOf(parts, from) : await trainingsFrom(before, parts, from);
      notes.push(await prepare(name, { from, to, parts }));
    }
    // Only once all of them are found good: else the card would be about other weights.
    await replaceAll(asked.map(([name]) => placesOf(name, to)));
  } finally {
    for (const [name] of asked) await rm(placesOf(name, to).temporary, { recursive: true, force: true });
  }
  const made: Made = { trained, figures: figuresIn(results) };
  await writeJson(join(to, "made.json"), made);
  await (await openOutput(join(to, "README.md"))).write(new TextEncoder().encode(card(made, await holdings(to))));
  return [...notes, `card: figures of ${Object.keys(made.figures).join(", ") || "no table"}, from ${results}`];
}

/** The package's made.json. */
export async function madeIn(folder: string): Promise<Made> {
  const path = join(folder, "made.json");
  return isThere(path) ? JSON.parse(await readFile(path, "utf8")) : { trained: {}, figures: {} };
}

/** The parts of a model that a folder has. */
const partsIn = (name: ModelName, folder: string): readonly Part[] =>
  partsOf[name].filter(({ leaves }) => leaves.every((part) => isThere(join(folder, part))));

/** The parts of a model that its folder has. @throws SnoopiError when it has none. */
function readyParts(name: ModelName, from: string): readonly Part[] {
  const parts = partsIn(name, from);
  if (parts.length > 0) return parts;
  const lacking = partsOf[name][0].leaves.filter((part) => !isThere(join(from, part)));
  throw new SnoopiError(`${from}: there is no ${lacking.join(", ")}. Ship the ${name} when its training has come to its end.`);
}

/** For a teacher that went on from another: that one's trainings, and its own, under names with `-on`. */
async function trainingsFrom(start: string, parts: readonly Part[], from: string): Promise<Record<string, Training>> {
  const own = Object.entries(await trainingsOf(parts, from)).map(([stage, training]) => [`${stage}-on`, training] as const);
  return { ...(await trainingsOf(parts, start)), ...Object.fromEntries(own) };
}

async function trainingsOf(parts: readonly Part[], from: string): Promise<Record<string, Training>> {
  const found: Record<string, Training> = {};
  for (const stage of parts.flatMap(({ after = [], stage }) => [...after, stage])) {
    const training = await finishedTraining(from, stage);
    if (training) found[stage] = training;
  }
  return found;
}

interface Shipped {
  readonly from: string;
  readonly to: string;
  readonly parts: readonly Part[];
}

const placesOf = (name: ModelName, to: string): Places => ({
  target: join(to, name),
  temporary: join(to, `.${name}.tmp`),
  old: join(to, `.${name}.old`),
});

async function prepare(name: ModelName, { from, to, parts }: Shipped): Promise<string> {
  const missing = partsOf[name].filter((part) => !parts.includes(part)).map(({ stage }) => stage);
  const { target, temporary, old } = placesOf(name, to);
  // What a killed run left behind.
  await rm(temporary, { recursive: true, force: true });
  if (isThere(old) && !isThere(target)) await rename(old, target);
  requireAll(name, { from, target, parts });
  await makeFolder(temporary);
  for (const part of parts.flatMap(({ leaves }) => leaves)) await copyInHalf(part, { from, to: temporary });
  if (name === "student") await studentScheduler(from, temporary);
  if (missing.length === 0) await checkWhole(temporary);
  return `${name}: ${parts.map(({ stage }) => stage).join(", ")}${missing.length > 0 ? `; ${missing.join(", ")} not there yet` : ""}`;
}

/** @throws SnoopiError when parts that ship already are not among the new ones and would be lost. */
function requireAll(name: ModelName, { from, target, parts }: Pick<Shipped, "from" | "parts"> & { readonly target: string }): void {
  const stages = (of: readonly Part[]) => of.map(({ stage }) => stage).join(", ");
  const gone = partsIn(name, target).filter((part) => !parts.includes(part));
  if (gone.length === 0) return;
  throw new SnoopiError(
    `${from}: it has ${stages(parts)}, and of the ${name} that ships ${stages(gone)} would go. Train those first, or remove ${target}.`,
  );
}

/** Writes a scheduler for a student whose folder is from before schedulers named a student's steps. */
async function studentScheduler(from: string, temporary: string): Promise<void> {
  const { sampling } = await openModel(nodeFolder(from));
  if (sampling.sampler !== "few-step") await writeScheduler(temporary, { teacher: from, steps: 1 });
}

/** @throws SnoopiError when a config has unknown keys, or weights are missing, unexpected or of another shape. */
async function checkWhole(folder: string): Promise<void> {
  const model = await openModel(nodeFolder(folder));
  if (model.ignored.length > 0) throw new SnoopiError(`${folder}: the config keys ${model.ignored.join(", ")} are unknown.`);
  for (const { component, kind, whole } of model.networks) {
    const weights = await model.weights(component);
    await weights.close();
    const match = matchWeights(kind, weights.entries, manifest(whole));
    requireMatch(match, weights.name);
    if (match.unexpected.length > 0) throw new SnoopiError(`${weights.name}: ${match.unexpected.join(", ")} are unexpected.`);
  }
}
