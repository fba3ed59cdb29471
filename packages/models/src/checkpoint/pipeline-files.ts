import type { Folder } from "./folder.ts";
import { openPipelineFolder } from "./pipeline.ts";
import { findWeightFiles } from "./weight-files.ts";

/** Components with weights that make pictures; others, such as a safety checker, are left out. */
export const networkComponents: readonly string[] = ["text_encoder", "unet", "transformer", "vae"];
const described = ["tokenizer", "scheduler"];

/**
 * The files of a pipeline that are needed to make pictures, out of all that were published: configs, the tokenizer, weights in one format
 * and one variant, README and licence. Paths are relative to the folder.
 *
 * @throws SnoopiError if the folder is not a pipeline, or has no such weights.
 */
export async function pipelineFiles(folder: Folder, options: { readonly variant?: string } = {}): Promise<string[]> {
  const pipeline = await openPipelineFolder(folder, options);
  const files = ["model_index.json", ...(await folder.list()).filter((name) => /^(README\.md|LICEN[CS]E.*)$/i.test(name))];
  for (const name of networkComponents) {
    const component = pipeline.components.get(name);
    if (!component) continue;
    const { files: weights, index } = await findWeightFiles(component.folder, options);
    for (const file of ["config.json", ...(index === undefined ? [] : [index]), ...weights]) files.push(`${name}/${file}`);
  }
  for (const name of described) {
    const own = pipeline.components.has(name) ? await folder.list(name) : [];
    files.push(...own.filter((file) => /\.(json|txt|model)$/.test(file)).map((file) => `${name}/${file}`));
  }
  return files;
}
