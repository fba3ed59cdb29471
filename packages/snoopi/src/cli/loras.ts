import { stat } from "node:fs/promises";
import { basename, dirname } from "node:path";
import { SnoopiError } from "@snoopi/core";
import { type Lora, type LoraUse, openLora } from "@snoopi/models";
import { nodeFolder } from "@snoopi/models/node";
import { isThere } from "../train/node/folder.ts";
import { numberIn } from "./values.ts";

/** A LoRA as a command names it. */
export interface LoraWord {
  /** A .safetensors file, or a folder that has one. */
  readonly path: string;
  readonly scale: number;
}

/**
 * `PATH` or `PATH:SCALE`.
 *
 * @throws SnoopiError where the path is missing.
 */
export function loraWord(word: string): LoraWord {
  const at = word.lastIndexOf(":");
  const scale = at < 0 ? Number.NaN : numberIn(word.slice(at + 1));
  // What follows the last colon belongs to the path unless it is a number: C:\style.safetensors.
  const [path, factor] = Number.isFinite(scale) ? [word.slice(0, at), scale] : [word, 1];
  if (path !== "") return { path, scale: factor };
  throw new SnoopiError(`generate: --lora ${JSON.stringify(word)} names no file. Write --lora PATH or --lora PATH:SCALE.`);
}

/** Open LoRAs. Dispose of them once they have been read. */
export interface OpenLoras extends AsyncDisposable {
  readonly uses: readonly LoraUse[];
}

/** Opens the LoRAs that the words name, all or none. */
export async function openLoras(words: readonly LoraWord[]): Promise<OpenLoras> {
  const uses: LoraUse[] = [];
  const close = async () => {
    for (const { lora } of uses) await lora.close();
  };
  try {
    for (const { path, scale } of words) uses.push({ lora: await openAt(path), scale });
    return { uses, [Symbol.asyncDispose]: close };
  } catch (error) {
    await close();
    throw error;
  }
}

async function openAt(path: string): Promise<Lora> {
  if (!isThere(path)) throw new SnoopiError(`${path}: there is no such LoRA. Give its .safetensors file, or its folder.`);
  if ((await stat(path)).isDirectory()) return openLora(nodeFolder(path));
  return openLora(nodeFolder(dirname(path)), basename(path));
}

/** Its name in pictures and reports: `name:scale`, never its path. */
export const shownLora = ({ path, scale }: LoraWord): string => `${basename(path)}:${scale}`;
