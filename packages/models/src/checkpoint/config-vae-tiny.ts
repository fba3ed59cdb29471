import { SnoopiError } from "@snoopi/core";
import { configFields, type ParsedConfig } from "./config-fields.ts";
import type { JsonObject } from "./folder.ts";

/** `AutoencoderTiny`'s config (TAESD's) in camelCase, every omitted key at diffusers' default. */
export interface TinyVaeConfig extends ParsedConfig {
  readonly className: "AutoencoderTiny";
  readonly inChannels: number;
  readonly outChannels: number;
  /** Of each stage of the encoder, all alike. */
  readonly encoderBlockOutChannels: readonly number[];
  readonly decoderBlockOutChannels: readonly number[];
  /** Blocks of each stage. */
  readonly numEncoderBlocks: readonly number[];
  readonly numDecoderBlocks: readonly number[];
  readonly actFn: "relu" | "silu" | "gelu";
  readonly latentChannels: number;
  /** How much larger a picture is after each stage of the decoder but the last. */
  readonly upsamplingScalingFactor: number;
  /** Only for storing latents as bytes, `255 · (z / (2 · magnitude) + shift)`; encoder and decoder do not use it. */
  readonly latentMagnitude: number;
  readonly latentShift: number;
  /** The UNet's latents are the VAE's times this: 1 for TAESD, whose latents are already the UNet's. */
  readonly scalingFactor: number;
  readonly shiftFactor: number;
}

/** Parses and checks the config.json of a tiny VAE. Throws, with the key and its value, for what we do not compute. */
export function tinyVaeConfig(json: JsonObject): TinyVaeConfig {
  const fields = configFields("vae", json);
  fields.only({ _class_name: "AutoencoderTiny", upsample_fn: "nearest" });
  const activation = fields.choice<"relu" | "silu" | "swish" | "gelu">("act_fn", "relu", ["relu", "silu", "swish", "gelu"]);
  const config: Omit<TinyVaeConfig, "ignored"> = {
    className: "AutoencoderTiny",
    inChannels: fields.count("in_channels", 3),
    outChannels: fields.count("out_channels", 3),
    encoderBlockOutChannels: fields.counts("encoder_block_out_channels", [64, 64, 64, 64]),
    decoderBlockOutChannels: fields.counts("decoder_block_out_channels", [64, 64, 64, 64]),
    numEncoderBlocks: fields.counts("num_encoder_blocks", [1, 3, 3, 3]),
    numDecoderBlocks: fields.counts("num_decoder_blocks", [3, 3, 3, 1]),
    actFn: activation === "swish" ? "silu" : activation,
    latentChannels: fields.count("latent_channels", 4),
    upsamplingScalingFactor: fields.count("upsampling_scaling_factor", 2),
    latentMagnitude: fields.number("latent_magnitude", 3),
    latentShift: fields.number("latent_shift", 0.5),
    scalingFactor: fields.number("scaling_factor", 1),
    shiftFactor: fields.number("shift_factor", 0),
  };
  // diffusers repeats the decoder's widths for its pipelines, and never upcasts.
  fields.skip(["block_out_channels", "force_upcast"]);
  for (const half of ["encoder", "decoder"] as const) {
    const widths = half === "encoder" ? config.encoderBlockOutChannels : config.decoderBlockOutChannels;
    const blocks = half === "encoder" ? config.numEncoderBlocks : config.numDecoderBlocks;
    const [widthsKey, blocksKey] = [`${half}_block_out_channels`, `num_${half}_blocks`];
    if (widths.length !== blocks.length) {
      throw new SnoopiError(`vae: ${widthsKey} has ${widths.length} stages and ${blocksKey} ${blocks.length}. They must agree.`);
    }
    // diffusers' convolutions between two stages have the width of one of them on both sides.
    if (new Set(widths).size > 1) fields.refuse(widthsKey, "expected one width for all stages");
  }
  const [down, up] = [tinyVaeFactor(config), config.upsamplingScalingFactor ** (config.numDecoderBlocks.length - 1)];
  if (down !== up) {
    throw new SnoopiError(`vae: the encoder makes a picture ${down} times smaller and the decoder ${up} times larger. They must agree.`);
  }
  if (config.scalingFactor === 0) fields.refuse("scaling_factor", "expected a number that can divide");
  return { ...config, ignored: fields.ignored() };
}

/** Pixels along one side of a latent: 8 for TAESD. */
export const tinyVaeFactor = ({ numEncoderBlocks }: Pick<TinyVaeConfig, "numEncoderBlocks">): number => 2 ** (numEncoderBlocks.length - 1);
