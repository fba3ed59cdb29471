import { createHash } from "node:crypto";
import { createReadStream } from "node:fs";
import { join } from "node:path";
import { pipelineFiles } from "@snoopi/models";
import { nodeFolder } from "@snoopi/models/node";

/** The files that a model's pictures depend on, or of them those in one folder: configs, tokenizer, scheduler, and the weights that are read. */
export async function drawnFrom(model: string, folder = ""): Promise<string[]> {
  const files = await pipelineFiles(nodeFolder(model));
  return files.filter((file) => file.startsWith(folder) && !/^(README|LICEN[CS]E)/i.test(file));
}

/** The first digits of the SHA-256 of a model's files and their names: it tells models apart, not their places. */
export async function filesOrigin(model: string, files: readonly string[]): Promise<string> {
  const hash = createHash("sha256");
  for (const file of files) {
    hash.update(`${file}\0`);
    for await (const part of createReadStream(join(model, file))) hash.update(part);
  }
  return hash.digest("hex").slice(0, 16);
}
