import { SnoopiError, type Tensor } from "@snoopi/core";
import {
  type AutoencoderConfig,
  autoencoder,
  autoencoderConfig,
  autoencoderFactor,
  clipText,
  clipTextConfig,
  latentDecoder,
  manifest,
  type NetworkKind,
  type Params,
  type PipelinePreset,
  schedulerConfig,
  type UNet,
  unet,
  unetConfig,
} from "@snoopi/models";
import { stableDiffusionConfig } from "../schedule/config.ts";
import { type NoiseSchedule, noiseSchedule } from "../schedule/noise-schedule.ts";
import { type Sampling, samplingOf } from "./sampling.ts";

/** One network of a pipeline: which folder it is in and how to build it. */
export interface Network<N = unknown> {
  readonly component: "text_encoder" | "unet" | "vae";
  readonly kind: NetworkKind;
  /** The parameters that making pictures needs, and what it makes of them. */
  readonly build: (p: Params) => N;
  /** All parameters the network has: others in the file are unexpected. */
  readonly whole: (p: Params) => unknown;
}

/** What reads prompts: ids `[B, length]` to tokens `[B, length, width]`. */
export interface TextNetwork extends Network<(ids: Tensor) => Tensor> {
  /** Tokens of a text, padding included. */
  readonly length: number;
  readonly width: number;
  /** Ids are below it. */
  readonly vocabSize: number;
}

/** What the configs of a text-to-image model make of it. */
export interface ModelShape {
  readonly text: TextNetwork;
  /** What predicts. */
  readonly network: Network<UNet>;
  readonly vae: AutoencoderConfig;
  readonly schedule: NoiseSchedule;
  /** How it draws unless a request says otherwise. */
  readonly sampling: Sampling;
  /** Pixels per latent, along either side. */
  readonly factor: number;
  /** The size that the network was trained at, in pixels. */
  readonly size: { readonly width: number; readonly height: number };
  /** All that makes pictures: text, network and decoder. */
  readonly networks: readonly Network[];
  /** Config keys that have no meaning here, as `component.key`. */
  readonly ignored: readonly string[];
}

/** Parses and checks the configs of one model, `name` in errors: of a folder, or one of the presets. */
export function modelShape(configs: PipelinePreset, name: string): ModelShape {
  const text = clipTextConfig(configs.textEncoder);
  const unetSizes = unetConfig(configs.unet);
  const vae = autoencoderConfig(configs.vae);
  const scheduler = schedulerConfig(configs.scheduler, { as: "DDIMScheduler" });
  const agree = (what: string, a: number, b: number, fix: string) => {
    if (a !== b) throw new SnoopiError(`${name}: ${what}, ${a} and ${b}. ${fix}`);
  };
  agree(
    "the UNet's input channels and the VAE's latent channels differ",
    unetSizes.inChannels,
    vae.latentChannels,
    "Inpainting and other conditioned UNets are not supported.",
  );
  agree(
    "the UNet reads tokens of another width than the text encoder gives",
    unetSizes.crossAttentionDim,
    text.hiddenSize,
    "The components are not of the same model.",
  );
  const encoder: TextNetwork = {
    component: "text_encoder",
    kind: "clip",
    length: text.maxPositionEmbeddings,
    width: text.hiddenSize,
    vocabSize: text.vocabSize,
    build: (p) => {
      const encode = clipText(p, text);
      return (ids) => encode(ids).last;
    },
    whole: (p) => clipText(p, text),
  };
  const network: Network<UNet> = { component: "unet", kind: "unet", build: (p) => unet(p, unetSizes), whole: (p) => unet(p, unetSizes) };
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
    ignored: Object.entries({ text_encoder: text, unet: unetSizes, vae, scheduler }).flatMap(([part, config]) =>
      config.ignored.map((key) => `${part}.${key}`),
    ),
    networks: [encoder, network, { component: "vae", kind: "vae", build: (p) => latentDecoder(p, vae), whole: (p) => autoencoder(p, vae) }],
  };
}

/** The parameters of a network that making pictures needs, with their shapes. */
export const needed = (network: Network) => manifest(network.build);
