import { SnoopiError } from "@snoopi/core";
import { configFields, type ParsedConfig } from "./config-fields.ts";
import type { JsonObject } from "./folder.ts";

/** `AutoencoderKL`'s config in camelCase, every omitted key at diffusers' default. */
export interface VaeConfig extends ParsedConfig {
  readonly className: "AutoencoderKL";
  readonly inChannels: number;
  readonly outChannels: number;
  readonly downBlockTypes: readonly "DownEncoderBlock2D"[];
  readonly upBlockTypes: readonly "UpDecoderBlock2D"[];
  readonly blockOutChannels: readonly number[];
  /** Resnets in each encoder block; a decoder block has one more. */
  readonly layersPerBlock: number;
  readonly actFn: "silu";
  readonly latentChannels: number;
  readonly normNumGroups: number;
  /** Edge of a tile in tiled decoding; the network does not depend on it. */
  readonly sampleSize: number;
  /** The UNet's latents are the VAE's times this. */
  readonly scalingFactor: number;
  readonly shiftFactor: number | null;
  readonly latentsMean: readonly number[] | null;
  readonly latentsStd: readonly number[] | null;
  readonly useQuantConv: boolean;
  readonly usePostQuantConv: boolean;
  readonly midBlockAddAttention: boolean;
}

/** Parses and checks the config.json of a VAE. Throws, with the key and its value, for what we do not compute. */
export function vaeConfig(json: JsonObject): VaeConfig {
  const fields = configFields("vae", json);
  fields.only({ _class_name: "AutoencoderKL" });
  const config: Omit<VaeConfig, "ignored"> = {
    className: "AutoencoderKL",
    inChannels: fields.count("in_channels", 3),
    outChannels: fields.count("out_channels", 3),
    downBlockTypes: fields.choices("down_block_types", ["DownEncoderBlock2D"], ["DownEncoderBlock2D"]),
    upBlockTypes: fields.choices("up_block_types", ["UpDecoderBlock2D"], ["UpDecoderBlock2D"]),
    blockOutChannels: fields.counts("block_out_channels", [64]),
    layersPerBlock: fields.count("layers_per_block", 1),
    actFn: fields.choice<"silu" | "swish">("act_fn", "silu", ["silu", "swish"]) && "silu",
    latentChannels: fields.count("latent_channels", 4),
    normNumGroups: fields.count("norm_num_groups", 32),
    sampleSize: fields.count("sample_size", 32),
    scalingFactor: fields.number("scaling_factor", 0.18215),
    shiftFactor: fields.maybeNumber("shift_factor"),
    latentsMean: fields.maybeNumbers("latents_mean"),
    latentsStd: fields.maybeNumbers("latents_std"),
    useQuantConv: fields.bool("use_quant_conv", true),
    usePostQuantConv: fields.bool("use_post_quant_conv", true),
    midBlockAddAttention: fields.bool("mid_block_add_attention", true),
  };
  // Always true here: everything is computed in f32.
  fields.skip(["force_upcast"]);
  const { blockOutChannels, latentChannels, normNumGroups } = config;
  for (const [key, list] of [
    ["down_block_types", config.downBlockTypes],
    ["up_block_types", config.upBlockTypes],
  ] as const) {
    if (list.length !== blockOutChannels.length) {
      throw new SnoopiError(`vae: ${key} has ${list.length} blocks and block_out_channels ${blockOutChannels.length}. They must agree.`);
    }
  }
  const uneven = blockOutChannels.find((channels) => channels % normNumGroups !== 0);
  if (uneven !== undefined)
    throw new SnoopiError(`vae: block_out_channels holds ${uneven}, not a multiple of norm_num_groups, ${normNumGroups}.`);
  for (const [key, list] of [
    ["latents_mean", config.latentsMean],
    ["latents_std", config.latentsStd],
  ] as const) {
    if (list !== null && list.length !== latentChannels) {
      throw new SnoopiError(`vae: ${key} has ${list.length} numbers for ${latentChannels} latent_channels. They must agree.`);
    }
  }
  if (config.scalingFactor === 0) fields.refuse("scaling_factor", "expected a number that can divide");
  return { ...config, ignored: fields.ignored() };
}
