import { checkOptions, type NamesOf, SnoopiError } from "@snoopi/core";
import type { PredictionType } from "../checkpoint/config-scheduler.ts";
import { type Folder, type JsonObject, namesInside } from "../checkpoint/folder.ts";
import { openSafetensors } from "../checkpoint/safetensors-read.ts";
import { type ByteSource, bytesSource } from "../checkpoint/source.ts";
import type { PipelinePreset } from "../presets.ts";
import { assign } from "./assign.ts";
import { configsOf } from "./configs.ts";
import { kindOf } from "./kind.ts";
import type { Part } from "./parts.ts";
import { type Piece, piecesSource } from "./pieces.ts";
import { tokenizerFiles } from "./tokenizer-files.ts";

export interface SingleFileOptions {
  /** Sizes of the networks and the noise schedule, if they are not those of Stable Diffusion 1.5 or 2.1. */
  readonly configs?: PipelinePreset;
  /** What the UNet predicts. Default: what the file says, then `configs`, then noise, or velocity if it is version 2 and its weights suggest it. */
  readonly predictionType?: PredictionType;
  /** The text of merges.txt, if the tokenizer's vocabulary is not CLIP's. */
  readonly merges?: string;
}

const optionNames: NamesOf<SingleFileOptions> = { configs: true, predictionType: true, merges: true };

/** A checkpoint in a single file, as a diffusers folder. */
export interface SingleFile extends Folder {
  /** Version of Stable Diffusion. */
  readonly version: 1 | 2;
  /** How many tensors the file has. */
  readonly tensors: number;
  readonly bytes: number;
  /** Names in the file of tensors that are not parameters, such as an EMA copy, noise schedules and flags. */
  readonly dropped: readonly string[];
}

/** Weight files in a diffusers folder. */
const weightsOf: Readonly<Record<Part, string>> = {
  text_encoder: "text_encoder/model.safetensors",
  unet: "unet/diffusion_pytorch_model.safetensors",
  vae: "vae/diffusion_pytorch_model.safetensors",
};

/**
 * A checkpoint of Stable Diffusion 1 or 2 in one safetensors file with LDM's names, as AUTOMATIC1111 and ComfyUI read it, as a virtual diffusers folder:
 * its weight files have headers of their own, followed by ranges of the given file, which are read when they are asked for. So nothing is converted or
 * copied. This call reads only the header and, for Stable Diffusion 2, one small tensor.
 *
 * @throws SnoopiError for other files, saying what they are, and for a checkpoint without text encoder, UNet or VAE.
 */
export async function singleFileFolder(folder: Folder, file: string, options: SingleFileOptions = {}): Promise<SingleFile> {
  const { configs: given, predictionType, merges } = checkOptions("singleFileFolder", options, optionNames);
  const name = `${folder.name}/${file}`;
  const source = await folder.open(file);
  try {
    const opened = await openSafetensors(source, name);
    const kind = kindOf(opened.entries, { anySize: given !== undefined });
    if ("is" in kind) throw new SnoopiError(`${name}: it is ${kind.is}. ${kind.help}`);
    const configs = await configsOf(opened, kind, { ...(given && { configs: given }), ...(predictionType && { predictionType }) });
    const { pieces, dropped } = assign(opened, kind.places, configs);
    const texts = new Map([
      ...described(configs),
      ...tokenizerFiles({ pad: kind.version === 1 ? "<|endoftext|>" : "!", ...(merges !== undefined && { merges }) }),
    ]);
    const weights = new Map([...pieces].map(([part, own]) => [weightsOf[part], own]));
    return {
      ...virtualFolder(name, texts, weights, () => folder.open(file)),
      version: kind.version,
      tensors: opened.entries.size,
      bytes: source.size,
      dropped,
    };
  } finally {
    await source.close?.();
  }
}

type Text = () => string | Promise<string>;

/** The index and the configs. */
function described({ unet, vae, textEncoder, scheduler }: PipelinePreset): [path: string, text: Text][] {
  const none = [null, null];
  const index = {
    _class_name: "StableDiffusionPipeline",
    feature_extractor: none,
    requires_safety_checker: false,
    safety_checker: none,
    scheduler: ["diffusers", scheduler._class_name],
    text_encoder: ["transformers", "CLIPTextModel"],
    tokenizer: ["transformers", "CLIPTokenizer"],
    unet: ["diffusers", "UNet2DConditionModel"],
    vae: ["diffusers", "AutoencoderKL"],
  };
  const files: Record<string, JsonObject> = {
    "model_index.json": index,
    "scheduler/scheduler_config.json": scheduler,
    "text_encoder/config.json": textEncoder,
    "unet/config.json": unet,
    "vae/config.json": vae,
  };
  return Object.entries(files).map(([path, json]) => [path, () => `${JSON.stringify(json, null, 2)}\n`]);
}

/** A folder of texts, generated when they are read, and of weights that are pieces of a file. */
function virtualFolder(
  name: string,
  texts: ReadonlyMap<string, Text>,
  weights: ReadonlyMap<string, readonly Piece[]>,
  open: () => Promise<ByteSource>,
): Folder {
  const absent = (path: string) => new SnoopiError(`${name}/${path}: there is no such file.`);
  const text = async (path: string) => {
    const found = texts.get(path);
    if (found === undefined) throw absent(path);
    return found();
  };
  return {
    name,
    text,
    list: async (path) => namesInside([...texts.keys(), ...weights.keys()], path),
    async open(path) {
      const pieces = weights.get(path);
      return pieces ? piecesSource(await open(), pieces) : bytesSource(new TextEncoder().encode(await text(path)));
    },
  };
}
