import { type Shape, SnoopiError, show } from "@snoopi/core";
import { type Folder, type JsonObject, readJson } from "../checkpoint/folder.ts";
import { floatTypes } from "../checkpoint/safetensors-dtype.ts";
import { openSafetensors, type SafetensorsFile, type TensorReader } from "../checkpoint/safetensors-read.ts";
import { headerConfigs, type LoraFactor, peftFactor } from "./factor.ts";
import { type LoraPart, loraKey, loraName } from "./names.ts";

/** What a LoRA adds to one layer: `factor · B A`. */
export interface LoraLayer {
  /** The layer's name in the file. */
  readonly module: string;
  /** Names of A `[rank, …]` and B `[out, rank, …]` in the file. */
  readonly down: string;
  readonly up: string;
  readonly rank: number;
  readonly factor: number;
}

/** A LoRA on disk: its header is read and checked, its tensors are not read yet. */
export interface Lora extends Pick<TensorReader, "name" | "entries" | "read" | "close"> {
  /** By `loraKey`. */
  readonly layers: ReadonlyMap<string, LoraLayer>;
}

/** As diffusers and PEFT call them. */
const usual = ["pytorch_lora_weights.safetensors", "adapter_model.safetensors"];

/** Prefix of names in PEFT's own files, which do not hold alpha: that is in adapter_config.json. */
const ofPeft = "base_model.model.";

/**
 * Reads a LoRA for Stable Diffusion or PixArt: diffusers' names of today and before, PEFT's, or kohya's. Without `file` it is the one
 * in the folder that has a usual name, or the only one.
 *
 * @throws SnoopiError for files of other kinds (DoRA, LoHa, LoKr, full differences), naming their tensors, and for pairs that do not fit together.
 */
export async function openLora(folder: Folder, file?: string): Promise<Lora> {
  const found = file ?? (await fileOf(folder));
  const name = `${folder.name}/${found}`;
  const source = await folder.open(found);
  try {
    const opened = await openSafetensors(source, name);
    return { name, entries: opened.entries, layers: await layersOf(opened, folder), read: opened.read, close: opened.close };
  } catch (error) {
    await source.close?.();
    throw error;
  }
}

async function fileOf(folder: Folder): Promise<string> {
  const files = (await folder.list()).filter((file) => file.endsWith(".safetensors"));
  const found = usual.find((file) => files.includes(file)) ?? (files.length === 1 ? files[0] : undefined);
  if (found !== undefined) return found;
  const what = files.length === 0 ? "there is no .safetensors file" : `it has ${files.length} .safetensors files: ${files.join(", ")}`;
  throw new SnoopiError(`${folder.name}: ${what}. Name the LoRA's file.`);
}

async function layersOf(file: SafetensorsFile, folder: Folder): Promise<Map<string, LoraLayer>> {
  const parts = partsOf(file);
  const configs = headerConfigs(file.metadata, file.name);
  if ([...parts.values()].some(({ module }) => module.startsWith(ofPeft))) configs.set(ofPeft, await peftConfig(folder, file.name));
  // The longest matching prefix counts; the empty one is a network saved by itself. Without a configuration diffusers takes 1.
  const factors: (readonly [prefix: string, factor: LoraFactor])[] = [
    ...[...configs].map(([prefix, config]) => [prefix, peftFactor(config, file.name)] as const),
    ["", () => 1] as const,
  ].sort(([a], [b]) => b.length - a.length);
  const layers = new Map<string, LoraLayer>();
  for (const [key, { module, down, up, alpha }] of parts) {
    if (down === undefined || up === undefined) {
      const there = down !== undefined ? "its first half" : up !== undefined ? "its second half" : "its alpha";
      throw new SnoopiError(`${file.name}: ${module} has only ${there}. Download it again.`);
    }
    const rank = rankOf(file, down, up);
    const [prefix, factorOf] = factors.find(([one]) => module.startsWith(one))!;
    const factor = alpha === undefined ? factorOf(module.slice(prefix.length), rank) : (await scalar(file, alpha)) / rank;
    layers.set(key, { module, down, up, rank, factor });
  }
  return layers;
}

type Parts = { readonly module: string } & { [part in LoraPart]?: string };

function partsOf({ name: file, entries }: SafetensorsFile): Map<string, Parts> {
  const others: string[] = [];
  const parts = new Map<string, Parts>();
  for (const name of entries.keys()) {
    const found = loraName(name);
    if (!found) {
      others.push(name);
      continue;
    }
    const key = loraKey(found.module);
    const before = parts.get(key);
    const twice = before?.[found.part];
    if (twice !== undefined) throw new SnoopiError(`${file}: both "${twice}" and "${name}" are the same half of a pair.`);
    parts.set(key, { ...before, module: found.module, [found.part]: name });
  }
  if (others.length > 0) {
    throw new SnoopiError(
      `${file}: ${others.length} of its ${entries.size} tensors are not of low-rank pairs, which alone are supported: ${others.slice(0, 4).join(", ")}${others.length > 4 ? ", …" : ""}.`,
    );
  }
  if (parts.size === 0) throw new SnoopiError(`${file}: there is no tensor in it. Give a LoRA's file.`);
  return parts;
}

function rankOf({ name, entries }: SafetensorsFile, down: string, up: string): number {
  const other = [down, up].find((half) => !floatTypes.has(entries.get(half)!.dtype));
  if (other !== undefined)
    throw new SnoopiError(`${name}: "${other}" is ${entries.get(other)!.dtype}, no floats but quantised. Give an F32, F16 or BF16 one.`);
  const [a, b]: Shape[] = [entries.get(down)!.shape, entries.get(up)!.shape];
  // B of a convolution is 1 × 1.
  const fits = a.length >= 2 && b.length >= 2 && a[0] === b[1] && b.slice(2).every((n) => n === 1);
  if (fits && a[0] > 0) return a[0];
  throw new SnoopiError(`${name}: "${down}" is ${show(a)} and "${up}" is ${show(b)}, which are no A [rank, …] and B [out, rank].`);
}

async function scalar(file: SafetensorsFile, name: string): Promise<number> {
  const { data } = await file.read(name, { dtype: "f32" });
  if (data.length === 1 && Number.isFinite(Number(data[0]))) return Number(data[0]);
  throw new SnoopiError(`${file.name}: "${name}" is [${[...data.slice(0, 4)]}], expected one number.`);
}

async function peftConfig(folder: Folder, name: string): Promise<JsonObject> {
  if ((await folder.list()).includes("adapter_config.json")) return readJson(folder, "adapter_config.json");
  throw new SnoopiError(`${name}: its names are PEFT's, whose alpha is in adapter_config.json, which is not beside it. Put it there.`);
}
