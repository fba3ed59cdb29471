import { SnoopiError, type Tensor } from "@snoopi/core";
import { type VaeConfig, vaeConfig } from "./checkpoint/config-vae.ts";
import { type TinyVaeConfig, tinyVaeConfig, tinyVaeFactor } from "./checkpoint/config-vae-tiny.ts";
import type { JsonObject } from "./checkpoint/folder.ts";
import type { Params } from "./params.ts";
import { autoencoderKL, vaeDecoder, vaeEncoder, vaeFactor } from "./vae.ts";
import { autoencoderTiny, tinyVaeDecoder, tinyVaeEncoder } from "./vae-tiny.ts";

// What a pipeline's `vae/` may hold: the autoencoder it was trained with, or a tiny one for the same latents.

export type AutoencoderConfig = VaeConfig | TinyVaeConfig;

const parsers: Readonly<Record<string, (json: JsonObject) => AutoencoderConfig>> = {
  AutoencoderKL: vaeConfig,
  AutoencoderTiny: tinyVaeConfig,
};

/** Parses the config.json of either class; one without a `_class_name` is an `AutoencoderKL`'s. @throws SnoopiError for any other class. */
export function autoencoderConfig(json: JsonObject): AutoencoderConfig {
  const { _class_name: name = "AutoencoderKL" } = json;
  if (typeof name === "string" && Object.hasOwn(parsers, name)) return parsers[name](json);
  const known = Object.keys(parsers).map((one) => JSON.stringify(one));
  throw new SnoopiError(`vae: _class_name is ${JSON.stringify(name)}, only ${known.join(", ")} is supported.`);
}

/** Pixels along one side of a latent. */
export const autoencoderFactor = (config: AutoencoderConfig): number =>
  config.className === "AutoencoderTiny" ? tinyVaeFactor(config) : vaeFactor(config);

/** Latents `[B, C, h, w]`, after `unscaleLatents`, to images `[B, 3, H, W]` around −1 … 1. */
export const latentDecoder = (p: Params, config: AutoencoderConfig): ((z: Tensor) => Tensor) =>
  config.className === "AutoencoderTiny" ? tinyVaeDecoder(p, config) : vaeDecoder(p, config);

/** Images `[B, 3, H, W]` in −1 … 1 to latents `[B, C, h, w]`, not yet scaled (`scaleLatents`). An `AutoencoderKL` gives the mean. */
export function latentEncoder(p: Params, config: AutoencoderConfig): (x: Tensor) => Tensor {
  if (config.className === "AutoencoderTiny") return tinyVaeEncoder(p, config);
  const encode = vaeEncoder(p, config);
  return (x) => encode(x).mean;
}

/** Encoder and decoder. An `AutoencoderKL` encodes to a distribution, an `AutoencoderTiny` to latents. */
export const autoencoder = (p: Params, config: AutoencoderConfig) =>
  config.className === "AutoencoderTiny" ? autoencoderTiny(p, config) : autoencoderKL(p, config);
