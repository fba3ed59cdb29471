import { SnoopiError } from "@snoopi/core";
import { configFields, type ParsedConfig } from "./config-fields.ts";
import type { JsonObject } from "./folder.ts";

export type UNetDownBlockType = "DownBlock2D" | "CrossAttnDownBlock2D";
export type UNetUpBlockType = "UpBlock2D" | "CrossAttnUpBlock2D";

/** `UNet2DConditionModel`'s config in camelCase, every omitted key at diffusers' default, per-block values as lists. */
export interface UNetConfig extends ParsedConfig {
  /** Height and width of the latent picture the model was trained on; null when the file does not say. */
  readonly sampleSize: readonly [height: number, width: number] | null;
  readonly inChannels: number;
  readonly outChannels: number;
  readonly centerInputSample: boolean;
  readonly flipSinToCos: boolean;
  readonly freqShift: number;
  readonly downBlockTypes: readonly UNetDownBlockType[];
  /** null leaves the middle out. */
  readonly midBlockType: "UNetMidBlock2DCrossAttn" | null;
  readonly upBlockTypes: readonly UNetUpBlockType[];
  readonly blockOutChannels: readonly number[];
  /** Resnets in each down block; an up block has one more. */
  readonly layersPerBlock: readonly number[];
  readonly downsamplePadding: number;
  readonly midBlockScaleFactor: number;
  readonly actFn: "silu";
  readonly normNumGroups: number;
  readonly normEps: number;
  readonly crossAttentionDim: number;
  /** Transformer blocks in each down block; reversed for up blocks, the last for the middle. */
  readonly transformerLayersPerBlock: readonly number[];
  /** The **number of heads** in each down block: the name is diffusers' historical mistake. A head is channels / heads wide. */
  readonly attentionHeadDim: readonly number[];
  readonly useLinearProjection: boolean;
  readonly convInKernel: number;
  readonly convOutKernel: number;
}

/** Features of other models, each at the only supported value. */
const unsupported = {
  num_attention_heads: null,
  time_cond_proj_dim: null,
  addition_embed_type: null,
  class_embed_type: null,
  num_class_embeds: null,
  class_embeddings_concat: false,
  encoder_hid_dim: null,
  encoder_hid_dim_type: null,
  time_embedding_type: "positional",
  time_embedding_dim: null,
  time_embedding_act_fn: null,
  timestep_post_act: null,
  dual_cross_attention: false,
  attention_type: "default",
  reverse_transformer_layers_per_block: null,
  resnet_time_scale_shift: "default",
  resnet_out_scale_factor: 1,
  resnet_skip_time_act: false,
  cross_attention_norm: null,
  mid_block_only_cross_attention: null,
};

/** Parses and checks the config.json of a UNet. Throws, with the key and its value, for what we do not compute. */
export function unetConfig(json: JsonObject): UNetConfig {
  const fields = configFields("unet", json);
  fields.only({ _class_name: "UNet2DConditionModel", ...unsupported });
  const onlyCross = fields.get("only_cross_attention");
  if (onlyCross === true || (Array.isArray(onlyCross) && onlyCross.includes(true))) {
    fields.refuse("only_cross_attention", "only false is supported");
  }
  const blockOutChannels = fields.counts("block_out_channels", [320, 640, 1280, 1280]);
  const blocks = blockOutChannels.length;
  const middle = fields.get("mid_block_type");
  const config: Omit<UNetConfig, "ignored"> = {
    sampleSize: sampleSize(fields.get("sample_size"), json),
    inChannels: fields.count("in_channels", 4),
    outChannels: fields.count("out_channels", 4),
    centerInputSample: fields.bool("center_input_sample", false),
    flipSinToCos: fields.bool("flip_sin_to_cos", true),
    freqShift: fields.number("freq_shift", 0),
    downBlockTypes: fields.choices<UNetDownBlockType>(
      "down_block_types",
      ["CrossAttnDownBlock2D", "CrossAttnDownBlock2D", "CrossAttnDownBlock2D", "DownBlock2D"],
      ["CrossAttnDownBlock2D", "DownBlock2D"],
    ),
    midBlockType:
      middle === null
        ? null
        : fields.choice<"UNetMidBlock2DCrossAttn">("mid_block_type", "UNetMidBlock2DCrossAttn", ["UNetMidBlock2DCrossAttn"]),
    upBlockTypes: fields.choices<UNetUpBlockType>(
      "up_block_types",
      ["UpBlock2D", "CrossAttnUpBlock2D", "CrossAttnUpBlock2D", "CrossAttnUpBlock2D"],
      ["CrossAttnUpBlock2D", "UpBlock2D"],
    ),
    blockOutChannels,
    layersPerBlock: fields.countPerBlock("layers_per_block", 2, blocks),
    downsamplePadding: fields.number("downsample_padding", 1),
    midBlockScaleFactor: fields.number("mid_block_scale_factor", 1),
    actFn: fields.choice<"silu" | "swish">("act_fn", "silu", ["silu", "swish"]) && "silu",
    normNumGroups: fields.count("norm_num_groups", 32),
    normEps: fields.number("norm_eps", 1e-5),
    crossAttentionDim: crossAttentionDim(fields, blocks),
    transformerLayersPerBlock: fields.countPerBlock("transformer_layers_per_block", 1, blocks),
    attentionHeadDim: fields.countPerBlock("attention_head_dim", 8, blocks),
    useLinearProjection: fields.bool("use_linear_projection", false),
    convInKernel: fields.count("conv_in_kernel", 3),
    convOutKernel: fields.count("conv_out_kernel", 3),
  };
  // For training, always true here (scores and softmax are in f32), or of features refused above.
  fields.skip(["dropout", "upcast_attention"]);
  fields.skip(["addition_time_embed_dim", "projection_class_embeddings_input_dim", "addition_embed_type_num_heads"]);
  checkBlocks(config);
  return { ...config, ignored: fields.ignored() };
}

function crossAttentionDim(fields: ReturnType<typeof configFields>, blocks: number): number {
  const all = fields.countPerBlock("cross_attention_dim", 1280, blocks);
  return all.every((dim) => dim === all[0]) ? all[0] : fields.refuse("cross_attention_dim", "only one value for all blocks is supported");
}

/** diffusers' pipelines correct old files (before 0.9) that give the size of the first training stage. */
function sampleSize(value: unknown, json: JsonObject): UNetConfig["sampleSize"] {
  if (value === undefined || value === null) return null;
  const pair = Array.isArray(value) ? value : [value, value];
  if (pair.length !== 2 || !pair.every((size) => Number.isSafeInteger(size) && size > 0)) {
    throw new SnoopiError(`unet: sample_size is ${JSON.stringify(value)}, expected a positive whole number, or a height and a width.`);
  }
  const old = /^0\.[0-8](\.|$)/.test(String(json._diffusers_version ?? ""));
  return typeof value === "number" && value < 64 && old ? [64, 64] : [pair[0], pair[1]];
}

function checkBlocks(config: Omit<UNetConfig, "ignored">): void {
  const { blockOutChannels, normNumGroups, attentionHeadDim, downBlockTypes, upBlockTypes } = config;
  for (const [key, types] of [
    ["down_block_types", downBlockTypes],
    ["up_block_types", upBlockTypes],
  ] as const) {
    if (types.length !== blockOutChannels.length) {
      throw new SnoopiError(`unet: ${key} has ${types.length} blocks and block_out_channels ${blockOutChannels.length}. They must agree.`);
    }
  }
  blockOutChannels.forEach((channels, block) => {
    if (channels % normNumGroups !== 0) {
      throw new SnoopiError(`unet: block_out_channels[${block}] is ${channels}, not a multiple of norm_num_groups, ${normNumGroups}.`);
    }
    const last = block === blockOutChannels.length - 1 && config.midBlockType !== null;
    const attends = last || downBlockTypes[block] === "CrossAttnDownBlock2D" || upBlockTypes.at(-1 - block) === "CrossAttnUpBlock2D";
    if (attends && channels % attentionHeadDim[block] !== 0) {
      throw new SnoopiError(`unet: block_out_channels[${block}] is ${channels}, not a multiple of its ${attentionHeadDim[block]} heads.`);
    }
  });
}
