import { closeSync, fsyncSync, openSync, readFileSync, renameSync, writeSync } from "node:fs";
import { join } from "node:path";
import { SnoopiError } from "@snoopi/core";
import { isThere } from "../../train/node/folder.ts";

/** What a cache's embeddings were made by, and their format. */
export interface CacheFacts {
  /** Identifies the encoder, with its weights and its tokenizer. */
  readonly encoder: string;
  readonly shape: readonly [tokens: number, width: number];
  readonly dtype: "f32" | "f16";
}

const format = "snoopi text embeddings 1";
const factsFile = "cache.json";

/**
 * Checks that a folder's cache has these facts. With `create`, a folder without a cache becomes one.
 * @throws SnoopiError when they differ, when there is no cache, and when it cannot be read.
 */
export function checkFacts(
  folder: string,
  facts: CacheFacts,
  { create, started }: { readonly create: boolean; readonly started: boolean },
): void {
  const path = join(folder, factsFile);
  if (isThere(path)) {
    refuseOther(folder, read(path), facts);
    return;
  }
  if (started) throw new SnoopiError(`${folder}: there are embeddings, and no ${factsFile} that says of what. Give another folder.`);
  if (!create) throw new SnoopiError(`${folder}: there is no cache of embeddings. Open it for writing first.`);
  const temporary = join(folder, `.${factsFile}.tmp`);
  const file = openSync(temporary, "w");
  try {
    writeSync(file, `${JSON.stringify({ format, ...facts })}\n`);
    fsyncSync(file);
  } finally {
    closeSync(file);
  }
  renameSync(temporary, path);
}

function read(path: string): Partial<CacheFacts> & { readonly format?: unknown } {
  try {
    return JSON.parse(readFileSync(path, "utf8"));
  } catch (error) {
    throw new SnoopiError(`${path}: it cannot be read, ${(error as Error).message}. Remove the folder, and it is made again.`, {
      cause: error,
    });
  }
}

function refuseOther(folder: string, there: ReturnType<typeof read>, facts: CacheFacts): void {
  for (const [key, here] of Object.entries({ format, encoder: facts.encoder, shape: facts.shape, dtype: facts.dtype })) {
    const [a, b] = [(there as Record<string, unknown>)[key], here].map((value) => JSON.stringify(value) ?? "absent");
    if (a !== b)
      throw new SnoopiError(`${folder}: the cache is of another encoder: ${key} is ${a} there and ${b} here. Give another folder.`);
  }
}
