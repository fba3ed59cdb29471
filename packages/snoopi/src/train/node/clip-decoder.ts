import { join } from "node:path";
import { SnoopiError, type Tensor } from "@snoopi/core";
import { type AutoencoderConfig, autoencoderConfig, latentDecoder, openComponentWeights, readConfig, unscaleLatents } from "@snoopi/models";
import { nodeFolder } from "@snoopi/models/node";
import { isThere } from "./folder.ts";
import type { ReadNetwork } from "./network.ts";

// The decoder that the config may name for the CLIP loss as `clip.decoder`: a smaller network than the model's VAE, for the same latents.

/**
 * The config.json in the decoder's folder, parsed; undefined if there is none.
 * @throws SnoopiError for a config that is not a VAE's or cannot be read, and for latents of other channels than the model's.
 */
export async function readClipDecoder(
  path: string,
  { latentChannels }: Pick<AutoencoderConfig, "latentChannels">,
): Promise<AutoencoderConfig | undefined> {
  if (!isThere(join(path, "config.json"))) return undefined;
  const json = await readConfig(nodeFolder(path));
  const config = parsed(() => autoencoderConfig(json), path);
  if (config.latentChannels === latentChannels) return config;
  throw new SnoopiError(
    `distill: clip.decoder, ${path}, decodes latents of ${config.latentChannels} channels, and the model's have ${latentChannels}. Give one for the model's latents.`,
  );
}

/** A decoder whose config was found. */
export interface FoundDecoder {
  readonly path: string;
  readonly config: AutoencoderConfig;
}

/** The same, before gigabytes are read. @throws SnoopiError also where there is none, saying what to put there. */
export async function requireClipDecoder(path: string, latents: Pick<AutoencoderConfig, "latentChannels">): Promise<FoundDecoder> {
  const config = await readClipDecoder(path, latents);
  if (config) return { path, config };
  throw new SnoopiError(
    `distill: clip.decoder is ${path}, and there is no config.json. Put config.json and diffusion_pytorch_model.safetensors of madebyollin/taesd there, or set clip.decoder to null for the model's own VAE.`,
  );
}

/** The decoder with its weights: latents `[B, C, h, w]` as the UNet has them to pictures `[B, 3, H, W]` around −1 … 1. */
export async function openClipDecoder({ path, config }: FoundDecoder, read: ReadNetwork): Promise<(x0: Tensor) => Tensor> {
  const { network } = await read("vae", await openComponentWeights(nodeFolder(path)), (p) => latentDecoder(p, config));
  return (x0) => network(unscaleLatents(x0, config));
}

function parsed(parse: () => AutoencoderConfig, path: string): AutoencoderConfig {
  try {
    return parse();
  } catch (error) {
    if (!(error instanceof SnoopiError)) throw error;
    throw new SnoopiError(`distill: clip.decoder is ${path}, and in its config.json ${error.message}`, { cause: error });
  }
}
