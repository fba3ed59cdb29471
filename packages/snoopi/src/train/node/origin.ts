import { createHash } from "node:crypto";
import { createReadStream } from "node:fs";
import { join } from "node:path";
import { SnoopiError } from "@snoopi/core";
import { namesIn } from "./folder.ts";

/** The first digits of the SHA-256 of a model's files, one after another: it tells models apart, not their places. */
export async function digestOf(model: string, files: readonly string[]): Promise<string> {
  const hash = createHash("sha256");
  for (const file of files) for await (const part of createReadStream(join(model, file))) hash.update(part);
  return hash.digest("hex").slice(0, 16);
}

/**
 * The digest of components' weights, in the order of their names.
 * @throws SnoopiError when a component has no weights, or they cannot be read.
 */
export async function originOf(model: string, components: readonly string[]): Promise<string> {
  const all: string[] = [];
  for (const component of components) {
    const folder = join(model, component);
    const names = await namesIn(folder);
    const files = names.filter((name) => name.endsWith(".safetensors")).sort();
    if (files.length === 0)
      throw new SnoopiError(`${folder}: there are no .safetensors files. Give a model's folder, the one with model_index.json.`);
    all.push(...files.map((file) => join(component, file)));
  }
  return digestOf(model, all);
}
