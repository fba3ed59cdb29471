import {
  autoencoderConfig,
  autoencoderFactor,
  type DiffusionNetwork,
  diffusionNetwork,
  type PixArtPreset,
  pixart,
  pixartConfig,
  schedulerConfig,
  t5Config,
  t5Encoder,
} from "@snoopi/models";
import { noiseSchedule } from "../schedule/noise-schedule.ts";
import { samplingOf } from "./sampling.ts";
import { agree, ignoredOf, type ModelShape, type Network, type TextNetwork, vaeNetwork } from "./shape.ts";
import { seesZeroPadding } from "./zero-padding.ts";

/** Tokens that diffusers' pipelines read of a prompt, whatever the tokenizer's files say. */
export const pixartTokens = { alpha: 120, sigma: 300 } as const;

/** Parses and checks the configs of a PixArt-α or -Σ, `name` in errors. It reads `length` tokens of a prompt, see {@link pixartTokens}. */
export function pixartShape(configs: PixArtPreset, { name, length }: { readonly name: string; readonly length: number }): ModelShape {
  const text = t5Config(configs.textEncoder);
  const sizes = pixartConfig(configs.transformer);
  const vae = autoencoderConfig(configs.vae);
  const scheduler = schedulerConfig(configs.scheduler, { as: "DDIMScheduler" });
  agree(name, "the transformer's input channels and the VAE's latent channels differ", [sizes.inChannels, vae.latentChannels], ofOneModel);
  agree(
    name,
    "the transformer reads tokens of another width than the text encoder gives",
    [sizes.captionChannels ?? sizes.crossAttentionDim, text.dModel],
    ofOneModel,
  );
  const encoder: TextNetwork = {
    component: "text_encoder",
    kind: "t5",
    masked: true,
    length,
    width: text.dModel,
    vocabSize: text.vocabSize,
    build: (p) => {
      const encode = t5Encoder(p, text);
      return (ids, mask) => encode(ids, mask ? { mask } : {});
    },
    whole: (p) => t5Encoder(p, text),
  };
  const factor = autoencoderFactor(vae);
  const network: Network<DiffusionNetwork> = {
    component: "transformer",
    kind: "pixart",
    build: (p) => {
      const predict = pixart(p, sizes);
      const sized: DiffusionNetwork = (x, t, context, options) =>
        predict(x, t, context, { ...options, size: [x.shape[2] * factor, x.shape[3] * factor] });
      return seesZeroPadding(diffusionNetwork(sized, predict.project));
    },
    whole: (p) => pixart(p, sizes),
  };
  const side = sizes.sampleSize * factor;
  return {
    text: encoder,
    network,
    vae,
    // DDIM clips x₀ by default, which is meant for pixels and not for latents.
    schedule: noiseSchedule({ ...scheduler, clipSample: false }),
    sampling: { ...samplingOf(configs.scheduler), guidance: 4.5 },
    factor,
    size: { width: side, height: side },
    ignored: ignoredOf({ text_encoder: text, transformer: sizes, vae, scheduler }),
    networks: [encoder, network, vaeNetwork(vae)],
  };
}

const ofOneModel = "The components are not of the same model.";
