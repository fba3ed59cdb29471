import { readFileSync } from "node:fs";
import { join } from "node:path";
import { gunzipSync } from "node:zlib";
import type { TypedArray } from "@snoopi/core";
import {
  type ByteSource,
  canonicalNames,
  encodeSafetensors,
  type Folder,
  type NetworkKind,
  openPipelineFolder,
  type PipelinePreset,
  type TensorData,
} from "@snoopi/models";
import { nodeFolder } from "@snoopi/models/node";
import { goldenFolder, goldenJson } from "./goldens.ts";

// Checkpoints in single files, made of diffusers' by the names that scripts/golden/single_file.py wrote.

export type Version = 1 | 2;
const versionOf = (name: string): Version => (name.startsWith("sd21") ? 2 : 1);

const golden: {
  readonly unet: Readonly<Record<string, string[]>>;
  readonly vae: Readonly<Record<string, string[]>>;
  readonly text_encoder: { readonly "open-clip": Readonly<Record<string, string>> };
} = JSON.parse(gunzipSync(readFileSync(join(goldenFolder, "single-file.json.gz"))).toString());

/** What names begin with, by part and version. */
export const prefixes = {
  unet: () => "model.diffusion_model.",
  vae: () => "first_stage_model.",
  text_encoder: (version: Version) => (version === 1 ? "cond_stage_model.transformer." : "cond_stage_model.model."),
};
type Part = keyof typeof prefixes;
const kinds: Readonly<Record<Part, NetworkKind>> = { unet: "unet", vae: "vae", text_encoder: "clip" };
const parts = Object.keys(prefixes) as Part[];

/** diffusers' names of a part → those of a checkpoint, without what they begin with. Three of OpenCLIP have one. */
function namesInFile(part: Part, model: string, names: Iterable<string>): Map<string, string> {
  const sorted = [...names].sort();
  if (part === "text_encoder") {
    if (versionOf(model) === 1) return new Map(sorted.map((name) => [name, `text_model.${name}`]));
    return new Map(
      sorted.map((name) => {
        const layer = /\.layers\.(\d+)\./.exec(name)?.[1];
        const old = golden.text_encoder["open-clip"][name.replace(/\.layers\.\d+\./, ".layers.N.")]!;
        return [name, old.replace(".N.", `.${layer}.`)];
      }),
    );
  }
  const module = (name: string) => name.replace(/\.(weight|bias)$/, "");
  const modules = [...new Set(sorted.map(module))];
  const list = golden[part][model]!;
  if (list.length !== modules.length)
    throw new Error(`the golden has ${list.length} modules of ${model}'s ${part}, and there are ${modules.length}`);
  const old = new Map(modules.map((one, i) => [one, list[i]!]));
  return new Map(sorted.map((name) => [name, name.replace(module(name), old.get(module(name))!)]));
}

/** As a checkpoint has it: attention of the VAE as 1×1 convolutions. */
const shapeInFile = (part: Part, name: string, shape: readonly number[]) =>
  part === "vae" && /attentions\.0\.to_.*weight$/.test(name) ? [...shape, 1, 1] : shape;

export type Tensors = Map<string, TensorData>;

/** A tiny pipeline in a single file, and what it takes to read it. */
export async function tinyFile(
  checkpoint: "sd15-tiny" | "sd21-tiny",
): Promise<{ tensors: Tensors; options: { configs: PipelinePreset; merges: string }; whole: Folder }> {
  const whole = nodeFolder(join(goldenFolder, checkpoint));
  const version = versionOf(checkpoint);
  const pipeline = await openPipelineFolder(whole, version === 2 ? { variant: "fp16" } : {});
  const tensors: Tensors = new Map();
  for (const part of parts) {
    const weights = await pipeline.weights(part);
    const { names } = canonicalNames(kinds[part], weights.entries.keys());
    for (const [name, old] of namesInFile(part, checkpoint, names.keys())) {
      const read = await weights.read(names.get(name)!);
      const full = `${prefixes[part](version)}${old}`;
      const before = tensors.get(full);
      // Sorted, k comes before q and v.
      if (/in_proj_/.test(old)) tensors.set(full, before ? joined(before, read, name) : spread(read, name));
      else tensors.set(full, { ...read, shape: shapeInFile(part, name, read.shape) });
    }
    await weights.close();
  }
  const [unet, textEncoder, vae, scheduler] = await Promise.all(
    ["unet", "text_encoder", "vae", "scheduler"].map((part) => pipeline.config(part)),
  );
  const merges = readFileSync(join(goldenFolder, checkpoint, "tokenizer/merges.txt"), "utf8");
  return { tensors, options: { configs: { unet, textEncoder, vae, scheduler }, merges }, whole };
}

const rowOf = (name: string) => ["q", "k", "v"].indexOf(/\.(.)_proj\./.exec(name)![1]!);

/** One of three layers in a tensor of all three. */
function spread(one: TensorData, name: string): TensorData {
  const data = one.data.slice().constructor as new (n: number) => TypedArray;
  const all = { ...one, shape: [3 * one.shape[0]!, ...one.shape.slice(1)], data: new data(3 * one.data.length) };
  return joined(all, one, name);
}

function joined(all: TensorData, one: TensorData, name: string): TensorData {
  (all.data as Float32Array).set(one.data as Float32Array, rowOf(name) * one.data.length);
  return all;
}

export const bytesOf = (tensors: Iterable<readonly [string, TensorData]>): Blob =>
  new Blob(encodeSafetensors(tensors) as Uint8Array<ArrayBuffer>[]);

/** The tensors of a full-size checkpoint in F16: names and shapes. */
export function fullSize(version: Version): Map<string, readonly number[]> {
  const model = version === 1 ? "sd15" : "sd21";
  const all = new Map<string, readonly number[]>();
  for (const part of parts) {
    const { tensors } = goldenJson(`manifest/${part === "vae" ? "sd-vae" : `${model}-${part}`}`) as { tensors: Record<string, number[]> };
    for (const [name, old] of namesInFile(part, part === "text_encoder" ? model : "sd15", Object.keys(tensors))) {
      const shape = shapeInFile(part, name, tensors[name]!);
      all.set(`${prefixes[part](version)}${old}`, /in_proj_/.test(old) ? [3 * shape[0]!, ...shape.slice(1)] : shape);
    }
  }
  return all;
}

/** What trained checkpoints carry beside the networks. */
export function beside(version: Version): Map<string, readonly number[]> {
  const schedule = ["betas", "alphas_cumprod", "alphas_cumprod_prev", "sqrt_one_minus_alphas_cumprod", "log_one_minus_alphas_cumprod"];
  const more = ["sqrt_recipm1_alphas_cumprod", "posterior_log_variance_clipped", "logvar"];
  const text =
    version === 1
      ? [["cond_stage_model.transformer.text_model.embeddings.position_ids", [1, 77]] as const]
      : [
          ["cond_stage_model.model.text_projection", [1024, 1024]] as const,
          ["cond_stage_model.model.logit_scale", []] as const,
          ["cond_stage_model.model.transformer.resblocks.23.ln_1.weight", [1024]] as const,
          ["cond_stage_model.model.transformer.resblocks.23.attn.in_proj_bias", [3072]] as const,
        ];
  return new Map<string, readonly number[]>([
    ...[...schedule, ...more].map((name) => [name, [1000]] as const),
    ["model_ema.diffusion_modelinput_blocks00weight", [320, 4, 3, 3]],
    ["model_ema.decay", []],
    ["first_stage_model.loss.logvar", []],
    ...text,
  ]);
}

/** A file with a header and no data: zeros are read where data would be. `read` counts the bytes. */
export function headerOnly(
  shapes: ReadonlyMap<string, readonly number[]>,
  dtypes: Readonly<Record<string, string>> = {},
): ByteSource & { asked: number } {
  const sizes: Readonly<Record<string, number>> = { F16: 2, F32: 4, F8_E4M3: 1, I64: 8, BF16: 2 };
  const fields: Record<string, unknown> = {};
  let at = 0;
  for (const [name, shape] of shapes) {
    const dtype = dtypes[name] ?? "F16";
    const end = at + shape.reduce((n, size) => n * size, sizes[dtype]!);
    fields[name] = { dtype, shape, data_offsets: [at, end] };
    at = end;
  }
  const json = new TextEncoder().encode(JSON.stringify(fields));
  const header = new Uint8Array(8 + json.length);
  new DataView(header.buffer).setBigUint64(0, BigInt(json.length), true);
  header.set(json, 8);
  const source = {
    asked: 0,
    size: header.length + at,
    async read(start: number, end: number) {
      source.asked += end - start;
      const bytes = new Uint8Array(end - start);
      if (start < header.length) bytes.set(header.subarray(start, Math.min(end, header.length)));
      return bytes;
    },
  };
  return source;
}

/** A folder of one file. */
export const folderOf = (source: ByteSource, name = "model.safetensors"): Folder => ({
  name: "DIR",
  list: async () => [name],
  text: async () => "",
  open: async () => source,
});
