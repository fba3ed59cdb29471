import { join } from "node:path";
import type { DType, Shape, TypedArray } from "@snoopi/core";
import { loadState, type Parts, saveState } from "@snoopi/core/optim";
import { writeSafetensors } from "@snoopi/models/node";
import { type Agreement, checkAgreement, checkFile } from "./agreement.ts";
import { openOwnFile } from "./own-file.ts";

/** The config's place in a checkpoint's metadata. */
const configField = "snoopi.config";

/** Where in its folder a training stands. */
export const checkpointPath = (folder: string): string => join(folder, "checkpoint.safetensors");

export interface CheckpointOptions {
  /** What is trained, as `loadState` compares it. */
  readonly model: string;
  readonly config: unknown;
}

/**
 * Writes the state of a training, beside the file until it is complete, so that the previous one stays whole whatever happens. A state that is
 * not finite is not written, since nothing could continue from it: the name of its first such tensor is returned.
 */
export async function writeCheckpoint(
  folder: string,
  parts: Parts,
  { step, model, config }: CheckpointOptions & { readonly step: number },
): Promise<string | undefined> {
  const { tensors, metadata } = await saveState(parts, { step, model });
  for (const [name, { data }] of tensors) if (!allFinite(data)) return name;
  await writeSafetensors(checkpointPath(folder), tensors, { metadata: { ...metadata, [configField]: JSON.stringify(config) } });
  return undefined;
}

/** A loop: an optimiser's billions of numbers go through it, and `every` would call a function for each. */
export function allFinite(values: ArrayLike<number>): boolean {
  for (let i = 0; i < values.length; i++) if (!Number.isFinite(values[i])) return false;
  return true;
}

/**
 * Restores a checkpoint into parts like those it was saved from, and returns the steps taken.
 * @throws SnoopiError before anything changes when its config differs in other than `free` keys, saying how, or it is of another model.
 */
export async function readCheckpoint(
  folder: string,
  parts: Parts,
  { model, config, free }: CheckpointOptions & { readonly free: readonly string[] },
): Promise<number> {
  const path = checkpointPath(folder);
  const file = await openOwnFile(path);
  try {
    checkAgreement(file, configField, { config, free, fix: "Resume with its config, or give another --out" });
    const tensors = new Map<string, { dtype: DType; shape: Shape; data: TypedArray }>();
    for (const name of file.entries.keys()) tensors.set(name, await file.read(name));
    return loadState(parts, { tensors, metadata: Object.fromEntries(file.metadata) }, { model }).step;
  } finally {
    await file.close();
  }
}

/** @throws SnoopiError when a checkpoint's config does not agree. */
export const checkCheckpoint = (path: string, agreement: Agreement): Promise<void> => checkFile(path, configField, agreement);
