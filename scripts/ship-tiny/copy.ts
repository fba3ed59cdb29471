import { readdir, readFile, stat } from "node:fs/promises";
import { basename, join } from "node:path";
import { SnoopiError, toNumbers } from "@snoopi/core";
import { openSafetensors } from "@snoopi/models";
import { fileSource, writeSafetensors } from "@snoopi/models/node";
import { openOutput } from "@snoopi/snoopi/node";
import { makeFolder } from "../../packages/snoopi/src/train/node/folder.ts";

/** Copies a component, or a file, of a pipeline with its weights in f16. `name` is its name in both folders. */
export async function copyInHalf(name: string, { from, to }: { readonly from: string; readonly to: string }): Promise<void> {
  const [source, target] = [join(from, name), join(to, name)];
  if (!(await stat(source)).isDirectory()) return copyFile(source, target);
  await makeFolder(target);
  for (const file of (await readdir(source)).sort()) {
    if (file.endsWith(".safetensors")) await halved(join(source, file), join(target, file));
    else await copyFile(join(source, file), join(target, file));
  }
}

/**
 * transformers loads a network in the dtype that its config names, or else in that of the weights; diffusers loads its own in f32. One in
 * f16 among others in f32 would not run, so configs name float32. They are edited as text: JSON.parse would make 1.0 into 1, which
 * transformers tells apart.
 */
async function copyFile(source: string, target: string): Promise<void> {
  const bytes = await readFile(source);
  const text = bytes.toString("utf8");
  const ofTransformers = basename(target) === "config.json" && JSON.parse(text).model_type !== undefined;
  const named = /"(torch_)?dtype":\s*"[^"]*"/g;
  const said = '"dtype": "float32"';
  const config = named.test(text) ? text.replace(named, said) : text.replace("{", `{\n  ${said},`);
  await (await openOutput(target)).write(ofTransformers ? new TextEncoder().encode(config) : bytes);
}

/** @throws SnoopiError for a weight that is not finite, or too large for f16. */
async function halved(source: string, target: string): Promise<void> {
  const file = await openSafetensors(await fileSource(source), source);
  try {
    const tensors = await Promise.all(
      [...file.entries.keys()].map(async (name) => [name, await file.read(name, { dtype: "f16" })] as const),
    );
    const bad = tensors.find(([, { dtype, data }]) => !toNumbers(dtype, data).every(Number.isFinite));
    if (bad) throw new SnoopiError(`${source}: ${bad[0]} holds a number that is not finite. Train it again before it ships.`);
    await writeSafetensors(target, tensors, { metadata: { format: "pt" } });
  } finally {
    await file.close();
  }
}
