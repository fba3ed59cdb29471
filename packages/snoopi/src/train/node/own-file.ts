import { SnoopiError } from "@snoopi/core";
import { openSafetensors, type SafetensorsFile } from "@snoopi/models";
import { fileSource } from "@snoopi/models/node";

/** Opens a file that a training wrote. @throws SnoopiError for one that is damaged, which nobody can download again. */
export async function openOwnFile(path: string): Promise<SafetensorsFile> {
  const source = await fileSource(path);
  return openSafetensors(source, path).catch(async (error: Error) => {
    await source.close?.();
    const problem = error.message.replace(`${path}: `, "").replace(/\.( .*)?$/s, "");
    throw new SnoopiError(`${path}: it cannot be read, ${problem}. Remove it to begin again, or put another copy in its place.`, {
      cause: error,
    });
  });
}
