import type { Shape } from "@snoopi/core";
import type { TensorEntry } from "../checkpoint/safetensors-header.ts";
import { isLoraName } from "../lora/names.ts";

/** A file's tensors, and questions about their names. */
export interface Look {
  readonly entries: ReadonlyMap<string, TensorEntry>;
  /** Whether any tensor's name matches. */
  has(name: RegExp): boolean;
  /** The shape of the first tensor whose name matches. */
  shape(name: RegExp): Shape | undefined;
}

/** What a file is that cannot be read as a model. */
export interface OtherKind {
  /** What it is, as in "it is a LoRA". */
  readonly is: string;
  /** What to do, as a sentence. */
  readonly help: string;
  /** A model or most of one, a single part of one, or something to use with one. */
  readonly role: "model" | "part" | "extra" | "unknown";
}

type Row = readonly [is: string, when: (look: Look) => boolean];

const input = /^model\.diffusion_model\.input_blocks\.0\.0\.weight$/;
const channels = (look: Look): number | undefined => look.shape(input)?.[1];
/** Width of the conditioning that a UNet gets besides time and text. */
const label = (look: Look): number | undefined => look.shape(/^model\.diffusion_model\.label_emb\.0\.0\.weight$/)?.[1];
const tokens = (look: Look): number | undefined => look.shape(/^model\.diffusion_model\..*\.attn2\.to_k\.weight$/)?.[1];
const named = (name: RegExp) => (look: Look) => look.has(name);

/** Files to use with a model. */
const besideModels: readonly (readonly [...Row, help: string])[] = [
  [
    "a LoRA",
    ({ entries, has }) => [...entries.keys()].some(isLoraName) || has(/\.(hada_w1_a|lokr_w[12](_a)?|oft_blocks|oft_diag|dora_scale)$/),
    "Add it to a model with --lora FILE, or openLora in code.",
  ],
  [
    "a ControlNet, or another adapter that is guided by a picture",
    named(/^(control_model|controlnet_\w+|input_hint_block|lora_controlnet|lllite_\w+|adapter|ip_adapter|image_proj)(\.|$)/),
    "Such files are not supported.",
  ],
  ["a motion module for videos", named(/(^|\.)motion_modules\./), "Such files are not supported."],
  [
    "a textual inversion, the embedding of a word",
    ({ entries }) =>
      entries.size <= 2 && [...entries.values()].every(({ shape }) => shape.length <= 2 && [768, 1024, 1280].includes(shape.at(-1)!)),
    "Such files are not supported.",
  ],
];

/** Single parts of a model: with diffusers' names, or with a checkpoint's names without their prefixes. */
const alone: readonly Row[] = [
  ["a UNet by itself", named(/^((down_blocks|up_blocks|mid_block)\.\d*|diffusion_model\.input_blocks\.|input_blocks\.)/)],
  ["a VAE by itself", named(/^(encoder|decoder)\.(conv_in|conv_out|down|up|mid|layers\.\d+\.conv)/)],
  [
    "a text encoder by itself",
    named(/^(text_model\.)?(embeddings\.token_embedding|encoder\.layers)\.|^(transformer\.resblocks|encoder\.block|shared)\./),
  ],
];

/** Models, or most of one, of kinds that are not supported. */
const models: readonly Row[] = [
  ["Stable Diffusion 3", named(/^(model\.diffusion_model\.)?joint_blocks\.\d/)],
  ["Flux, or a transformer like it", named(/^(model\.diffusion_model\.)?double_blocks\.\d/)],
  [
    "a diffusion transformer",
    named(/^(model\.diffusion_model\.|net\.)?(single_|double_)?(blocks|layers|transformer_blocks|double_layers|double_stream_blocks)\.\d/),
  ],
  [
    "a model of videos, such as Stable Video Diffusion",
    named(/^model\.diffusion_model\..*\.(time_stack|time_mixer|temporal_transformer)\./),
  ],
  ["the refiner of Stable Diffusion XL", (look) => label(look) === 2560 || tokens(look) === 1280],
  ["Stable Diffusion XL", (look) => look.has(/^conditioner\.embedders\.1\./) || label(look) === 2816 || tokens(look) === 2048],
  ["an unCLIP model, which is guided by a picture", (look) => label(look) === 1536 || label(look) === 2048],
  ["an inpainting model, whose UNet has 9 input channels and not 4", (look) => channels(look) === 9],
  ["InstructPix2Pix, or another model that edits a picture, whose UNet has 8 input channels and not 4", (look) => channels(look) === 8],
  ["an upscaler, whose UNet has 7 input channels and not 4", (look) => channels(look) === 7],
  ["a model that is guided by depth, whose UNet has 5 input channels and not 4", (look) => channels(look) === 5],
  ["a model with another text encoder (AltDiffusion)", named(/^cond_stage_model\.roberta\./)],
  ["a model whose network is not the UNet of Stable Diffusion", (look) => look.has(/^model\.diffusion_model\./) && !look.has(input)],
];

const quantised = /(^|\.)(scaled_fp8|scale_weight|scale_input|weight_scale|comfy_quant|absmax|quant_map)$/;

/** What a file is if it is not a text-to-image checkpoint of Stable Diffusion 1 or 2; undefined if it may be one. */
export function otherKind(look: Look): OtherKind | undefined {
  const beside = besideModels.find(([, when]) => when(look));
  if (beside) return { is: beside[0], help: beside[2], role: "extra" };
  const model = models.find(([, when]) => when(look));
  if (model) {
    // A transformer with its own names alone is one component of a folder.
    const role = look.has(/^(model\.diffusion_model|cond_stage_model|conditioner)\./) ? "model" : "part";
    return { is: model[0], help: "Only text-to-image checkpoints of Stable Diffusion 1 and 2 are supported.", role };
  }
  const part = alone.find(([, when]) => when(look));
  if (part) return { is: part[0], help: "Give a checkpoint with text encoder, UNet and VAE, or a diffusers folder.", role: "part" };
  const small = [...look.entries].find(([name, { dtype }]) => quantised.test(name) || /^F[468](_|$)/.test(dtype));
  if (!small || !look.has(input)) return undefined;
  return { is: `quantised, by its ${small[1].dtype} tensor "${small[0]}"`, help: "Give a copy in F32, F16 or BF16.", role: "model" };
}
