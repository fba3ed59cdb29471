import { join } from "node:path";
import { type DType, type Shape, SnoopiError, type TypedArray } from "@snoopi/core";
import { loadState, type Parts, saveState } from "@snoopi/core/optim";
import { openSafetensors } from "@snoopi/models";
import { fileSource, writeSafetensors } from "@snoopi/models/node";
import { differences } from "../schema.ts";

/** The config's place in a checkpoint's metadata. */
const configField = "snoopi.config";

export const checkpointPath = (folder: string): string => join(folder, "checkpoint.safetensors");

export interface CheckpointOptions {
  /** What is trained, as `loadState` compares it. */
  readonly model: string;
  readonly config: unknown;
}

/** Writes where training stands: beside the file until it is complete, so that the one before stays whole whatever happens. */
export async function writeCheckpoint(
  folder: string,
  parts: Parts,
  { step, model, config }: CheckpointOptions & { readonly step: number },
) {
  const { tensors, metadata } = await saveState(parts, { step, model });
  await writeSafetensors(checkpointPath(folder), tensors, { metadata: { ...metadata, [configField]: JSON.stringify(config) } });
}

/**
 * Puts a checkpoint into parts like those it was saved from, and returns the steps taken.
 * @throws SnoopiError before anything changes when its config differs in more than `free` keys, saying in what; or when it is of another model.
 */
export async function readCheckpoint(
  folder: string,
  parts: Parts,
  { model, config, free }: CheckpointOptions & { readonly free: readonly string[] },
): Promise<number> {
  const path = checkpointPath(folder);
  const file = await openSafetensors(await fileSource(path), path);
  try {
    const metadata = Object.fromEntries(file.metadata);
    agrees(path, metadata, { config, free, fix: "Resume with its config, or give another --out" });
    const tensors = new Map<string, { dtype: DType; shape: Shape; data: TypedArray }>();
    for (const name of file.entries.keys()) tensors.set(name, await file.read(name));
    return loadState(parts, { tensors, metadata }, { model }).step;
  } finally {
    await file.close();
  }
}

interface Agreement {
  readonly config: unknown;
  /** Keys that need not agree. */
  readonly free: readonly string[];
  /** What to do where others do not. */
  readonly fix: string;
}

/** @throws SnoopiError when a checkpoint's config is another in more than `free` keys, saying in what and then `fix`. */
export async function checkCheckpoint(path: string, agreement: Agreement): Promise<void> {
  const file = await openSafetensors(await fileSource(path), path);
  try {
    agrees(path, Object.fromEntries(file.metadata), agreement);
  } finally {
    await file.close();
  }
}

function agrees(path: string, metadata: Readonly<Record<string, string>>, { config, free, fix }: Agreement): void {
  const saved = metadata[configField];
  if (saved === undefined) throw new SnoopiError(`${path}: it says nothing of a config, so it is no checkpoint of snoopi train.`);
  const different = differences(JSON.parse(saved), config, free);
  if (different.length > 0) throw new SnoopiError(`${path}: it is of another config: ${different.join("; ")}. ${fix}.`);
}
