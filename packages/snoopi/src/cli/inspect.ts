import { stat } from "node:fs/promises";
import type { InspectOptions } from "./args.ts";
import { describeFile } from "./inspect-file.ts";
import { describeFolder } from "./inspect-folder.ts";
import { namedModel } from "./named-model.ts";
import { printable } from "./text.ts";

/** Prints what is at a path. The exit code is 1 when `generate` could not use a folder. */
export async function inspectCommand({ path: word, variant }: InspectOptions): Promise<number> {
  const { folder: path } = await namedModel(word);
  const { lines, usable } = (await stat(path)).isDirectory() ? await describeFolder(path, variant) : await describeFile(path);
  process.stdout.write(`${lines.map(printable).join("\n")}\n`);
  return usable ? 0 : 1;
}
