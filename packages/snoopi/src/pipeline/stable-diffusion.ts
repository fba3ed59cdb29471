import {
  autoencoderConfig,
  autoencoderFactor,
  clipText,
  clipTextConfig,
  type DiffusionNetwork,
  type PipelinePreset,
  schedulerConfig,
  unet,
  unetConfig,
} from "@snoopi/models";
import { stableDiffusionConfig } from "../schedule/config.ts";
import { noiseSchedule } from "../schedule/noise-schedule.ts";
import { samplingOf } from "./sampling.ts";
import { agree, ignoredOf, type ModelShape, type Network, type TextNetwork, vaeNetwork } from "./shape.ts";

/** Parses and checks the configs of a model of the Stable Diffusion 1 or 2 kind, `name` in errors: of a folder, or one of the presets. */
export function modelShape(configs: PipelinePreset, name: string): ModelShape {
  const text = clipTextConfig(configs.textEncoder);
  const unetSizes = unetConfig(configs.unet);
  const vae = autoencoderConfig(configs.vae);
  const scheduler = schedulerConfig(configs.scheduler, { as: "DDIMScheduler" });
  agree(
    name,
    "the UNet's input channels and the VAE's latent channels differ",
    [unetSizes.inChannels, vae.latentChannels],
    "Inpainting and other conditioned UNets are not supported.",
  );
  agree(
    name,
    "the UNet reads tokens of another width than the text encoder gives",
    [unetSizes.crossAttentionDim, text.hiddenSize],
    "The components are not of the same model.",
  );
  const encoder: TextNetwork = {
    component: "text_encoder",
    kind: "clip",
    masked: false,
    length: text.maxPositionEmbeddings,
    width: text.hiddenSize,
    vocabSize: text.vocabSize,
    build: (p) => {
      const encode = clipText(p, text);
      return (ids) => encode(ids).last;
    },
    whole: (p) => clipText(p, text),
  };
  const network: Network<DiffusionNetwork> = {
    component: "unet",
    kind: "unet",
    build: (p) => unet(p, unetSizes),
    whole: (p) => unet(p, unetSizes),
  };
  const factor = autoencoderFactor(vae);
  const [rows, columns] = unetSizes.sampleSize ?? [64, 64];
  return {
    text: encoder,
    network,
    vae,
    schedule: noiseSchedule(stableDiffusionConfig(scheduler)),
    sampling: samplingOf(configs.scheduler),
    factor,
    size: { width: columns * factor, height: rows * factor },
    ignored: ignoredOf({ text_encoder: text, unet: unetSizes, vae, scheduler }),
    networks: [encoder, network, vaeNetwork(vae)],
  };
}
