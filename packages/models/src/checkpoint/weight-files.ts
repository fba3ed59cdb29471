import { SnoopiError } from "@snoopi/core";
import { type Folder, readJson } from "./folder.ts";

/** Which files hold a component's weights. `variant` is "" for plain names. */
export interface WeightFiles {
  readonly variant: string;
  readonly files: readonly string[];
  /** The index file of a sharded component, which gives `shardOf`: tensor → file. */
  readonly index?: string;
  readonly shardOf?: ReadonlyMap<string, string>;
}

/** diffusers' file name, then transformers'. */
const bases = ["diffusion_pytorch_model", "model"];
const MAX_SHARDS = 10_000;
const pickles = /\.(bin|ckpt|pt|pth|msgpack|h5)$/;

/** Where to look for one variant, in diffusers' order: an index, the index under its old name, one file. */
const namesOf = (base: string, variant: string) =>
  variant === ""
    ? { indexes: [`${base}.safetensors.index.json`], single: `${base}.safetensors` }
    : {
        indexes: [`${base}.safetensors.index.${variant}.json`, `${base}.safetensors.${variant}.index.json`],
        single: `${base}.${variant}.safetensors`,
      };

/** The variants among the names of files, plain ("") first. */
export function variantsIn(names: readonly string[]): string[] {
  const found = new Set<string>();
  for (const name of names) {
    const match =
      /^(?:diffusion_pytorch_model|model)(?:\.([\w-]+))?\.safetensors$/.exec(name) ??
      /^(?:diffusion_pytorch_model|model)\.safetensors\.index(?:\.([\w-]+))?\.json$/.exec(name) ??
      /^(?:diffusion_pytorch_model|model)\.safetensors\.([\w-]+)\.index\.json$/.exec(name);
    // A shard is a file of its index, not a variant of its own.
    if (match && !/-\d{5}-of-\d{5}$/.test(match[1] ?? "")) found.add(match[1] ?? "");
  }
  return [...found].sort();
}

/**
 * Chooses a component's weights among its files: `variant` when asked for and there, else the plain files, else `fp16`.
 * `non_ema` is never chosen unasked: those weights are for further training.
 * Throws when there is no safetensors file, or when the index is wrong; missing shards are all listed.
 */
export async function findWeightFiles(folder: Folder, options: { variant?: string } = {}): Promise<WeightFiles> {
  const names = await folder.list();
  const present = variantsIn(names);
  const variant = [options.variant, "", "fp16"].find((wanted) => wanted !== undefined && present.includes(wanted));
  if (variant === undefined) {
    if (present.length > 0) {
      throw new SnoopiError(`${folder.name}: there are only weights of the variants ${present.join(", ")}. Choose one with "variant".`);
    }
    const others = names.filter((name) => pickles.test(name));
    throw new SnoopiError(
      others.length > 0
        ? `${folder.name}: the weights are in ${others.join(", ")}, and only safetensors is read. Convert them, or use another copy of the model.`
        : `${folder.name}: there are no weights. Expected ${bases.map((base) => `${base}.safetensors`).join(" or ")}, or an index of shards.`,
    );
  }
  for (const base of bases) {
    const { indexes, single } = namesOf(base, variant);
    const index = indexes.find((name) => names.includes(name));
    if (index !== undefined) return readIndex(folder, index, { names, variant });
    if (names.includes(single)) return { variant, files: [single] };
  }
  throw new SnoopiError(`${folder.name}: there are no weights of the variant "${variant}".`);
}

async function readIndex(folder: Folder, index: string, found: { names: readonly string[]; variant: string }): Promise<WeightFiles> {
  const where = `${folder.name}/${index}`;
  const { weight_map: map } = await readJson(folder, index);
  if (typeof map !== "object" || map === null || Array.isArray(map)) throw new SnoopiError(`${where}: weight_map is not an object.`);
  const shardOf = new Map<string, string>();
  for (const [tensor, file] of Object.entries(map)) {
    // A path would let an index read any file of the machine.
    if (typeof file !== "string" || !/^[^/\\:\0]+\.safetensors$/.test(file)) {
      throw new SnoopiError(`${where}: the shard ${JSON.stringify(file)} is not the name of a safetensors file in its folder.`);
    }
    shardOf.set(tensor, file);
  }
  const files = [...new Set(shardOf.values())].sort();
  if (files.length === 0) throw new SnoopiError(`${where}: weight_map is empty.`);
  if (files.length > MAX_SHARDS) throw new SnoopiError(`${where}: ${files.length} shards are more than the allowed ${MAX_SHARDS}.`);
  const missing = files.filter((file) => !found.names.includes(file));
  if (missing.length > 0) {
    throw new SnoopiError(`${where}: ${missing.length} of ${files.length} shards are missing: ${missing.join(", ")}. Download them.`);
  }
  return { variant: found.variant, files, index, shardOf };
}
