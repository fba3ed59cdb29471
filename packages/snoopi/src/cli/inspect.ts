import { stat } from "node:fs/promises";
import { nodeFolder, singleFile } from "@snoopi/models/node";
import type { InspectOptions } from "./args.ts";
import { describeFile, isCheckpoint } from "./inspect-file.ts";
import { describeFolder } from "./inspect-folder.ts";
import { namedModel } from "./named-model.ts";
import { shownBytes } from "./progress.ts";
import { grouped, printable, some } from "./text.ts";

/** Prints what is at a path. The exit code is 1 if `generate` cannot use it. */
export async function inspectCommand({ path: word, variant }: InspectOptions): Promise<number> {
  const { path } = await namedModel(word);
  const { lines, usable } = await described(path, variant);
  process.stdout.write(`${lines.map(printable).join("\n")}\n`);
  return usable ? 0 : 1;
}

async function described(path: string, variant: string | undefined): Promise<{ lines: readonly string[]; usable: boolean }> {
  if ((await stat(path)).isDirectory()) return describeFolder(nodeFolder(path), variant);
  if (!(await isCheckpoint(path))) return describeFile(path);
  const file = await singleFile(path);
  const { lines, usable } = await describeFolder(file, variant);
  const { version, tensors, bytes, dropped } = file;
  const said = `${path}: a checkpoint of Stable Diffusion ${version} in a single file, ${grouped(tensors)} tensors, ${shownBytes(bytes)}; read as a folder:`;
  const left =
    dropped.length > 0 ? [`${grouped(dropped.length)} of its tensors are left out, as they are not parameters: ${some(dropped, 4)}`] : [];
  return { lines: [said, ...lines, ...left], usable };
}
