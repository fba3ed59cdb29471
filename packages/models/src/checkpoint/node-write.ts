import { open, rename, rm } from "node:fs/promises";
import { basename, dirname, join } from "node:path";
import { SnoopiError } from "@snoopi/core";
import { reason } from "./node-source.ts";
import { encodeSafetensors } from "./safetensors-write.ts";

/**
 * Writes a safetensors file. It appears under its name when it is complete: until then it is a temporary file beside it,
 * which a failure removes.
 */
export async function writeSafetensors(
  path: string,
  tensors: Parameters<typeof encodeSafetensors>[0],
  options: { metadata?: Parameters<typeof encodeSafetensors>[1] } = {},
): Promise<void> {
  const chunks = encodeSafetensors(tensors, options.metadata);
  const temporary = join(dirname(path), `.${basename(path)}.${crypto.randomUUID().slice(0, 8)}.tmp`);
  try {
    const file = await open(temporary, "w");
    try {
      for (const chunk of chunks) await file.writeFile(chunk);
      await file.sync();
    } finally {
      await file.close();
    }
    await rename(temporary, path);
  } catch (error) {
    await rm(temporary, { force: true });
    throw new SnoopiError(`${path}: it cannot be written, ${reason(error as NodeJS.ErrnoException)}.`);
  }
}
