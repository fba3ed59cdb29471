import { SnoopiError } from "@snoopi/core";
import type { Folder } from "./folder.ts";
import type { TensorEntry } from "./safetensors-header.ts";
import { openSafetensors, type SafetensorsFile, type TensorReader } from "./safetensors-read.ts";
import type { WeightFiles } from "./weight-files.ts";

/** All tensors of one component, whatever files they are in. */
export interface ComponentWeights extends TensorReader {
  readonly files: readonly string[];
  /** "" for plain files, else as in their names: "fp16". */
  readonly variant: string;
}

/** Opens the files of a component and joins them. Throws for a tensor that is in two of them, or not in the shard the index names. */
export async function openWeights(folder: Folder, found: WeightFiles): Promise<ComponentWeights> {
  const opened: SafetensorsFile[] = [];
  const close = async () => {
    await Promise.all(opened.map((file) => file.close()));
  };
  try {
    for (const name of found.files) opened.push(await openFile(folder, name));
    const owner = new Map<string, SafetensorsFile>();
    const entries = new Map<string, TensorEntry>();
    for (const file of opened) {
      for (const [tensor, entry] of file.entries) {
        const other = owner.get(tensor);
        if (other) throw new SnoopiError(`${folder.name}: the tensor "${tensor}" is both in ${other.name} and in ${file.name}.`);
        owner.set(tensor, file);
        entries.set(tensor, entry);
      }
    }
    const absent = [...(found.shardOf ?? [])].filter(([tensor, file]) => owner.get(tensor)?.name !== `${folder.name}/${file}`);
    if (absent.length > 0) {
      const list = absent.map(([tensor, file]) => `${tensor} (${file})`).join(", ");
      throw new SnoopiError(`${folder.name}: ${absent.length} tensors are not in the shard that the index names: ${list}.`);
    }
    return {
      name: folder.name,
      entries,
      bytes: opened.reduce((sum, file) => sum + file.bytes, 0),
      files: found.files,
      variant: found.variant,
      async read(tensor, options) {
        const file = owner.get(tensor);
        if (file === undefined) throw new SnoopiError(`${folder.name}: there is no tensor ${JSON.stringify(tensor)}.`);
        return file.read(tensor, options);
      },
      close,
    };
  } catch (error) {
    await close();
    throw error;
  }
}

async function openFile(folder: Folder, name: string): Promise<SafetensorsFile> {
  const source = await folder.open(name);
  return openSafetensors(source, `${folder.name}/${name}`).catch(async (error) => {
    await source.close?.();
    throw error;
  });
}
