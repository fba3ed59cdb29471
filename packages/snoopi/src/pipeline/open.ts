import { SnoopiError } from "@snoopi/core";
import {
  type AutoencoderConfig,
  autoencoder,
  autoencoderConfig,
  autoencoderFactor,
  type ClipTextConfig,
  type ClipTokenizer,
  type ComponentWeights,
  clipText,
  clipTextConfig,
  type Folder,
  latentDecoder,
  manifest,
  type NetworkKind,
  openPipelineFolder,
  type Params,
  type PipelinePreset,
  readClipTokenizer,
  schedulerConfig,
  type UNetConfig,
  unet,
  unetConfig,
} from "@snoopi/models";
import { stableDiffusionConfig } from "../schedule/config.ts";
import { type NoiseSchedule, noiseSchedule } from "../schedule/noise-schedule.ts";
import { type Sampling, samplingOf } from "./sampling.ts";

/** One network of a pipeline: which folder it is in and how to build it. */
export interface Network {
  readonly component: "text_encoder" | "unet" | "vae";
  readonly kind: NetworkKind;
  /** The parameters that making pictures needs. */
  readonly build: (p: Params) => unknown;
  /** All parameters the network has: others in the file are unexpected. */
  readonly whole: (p: Params) => unknown;
}

/** What the configs of a text-to-image model make of it. */
export interface ModelShape {
  readonly text: ClipTextConfig;
  readonly unet: UNetConfig;
  readonly vae: AutoencoderConfig;
  readonly schedule: NoiseSchedule;
  /** How it draws unless a request says otherwise. */
  readonly sampling: Sampling;
  /** Pixels per latent, along either side. */
  readonly factor: number;
  /** The size that the UNet was trained at, in pixels. */
  readonly size: { readonly width: number; readonly height: number };
  readonly networks: readonly Network[];
  /** Config keys that have no meaning here, as `component.key`. */
  readonly ignored: readonly string[];
}

/** A text-to-image model on disk, its configs read and checked, its weights not. */
export interface OpenModel extends ModelShape {
  readonly name: string;
  readonly tokenizer: ClipTokenizer;
  weights(component: Network["component"]): Promise<ComponentWeights>;
}

const families = ["StableDiffusionPipeline"];

/** Reads a diffusers folder of the Stable Diffusion 1 or 2 kind. Throws for anything else, saying what it is. */
export async function openModel(folder: Folder, options: { readonly variant?: string } = {}): Promise<OpenModel> {
  const pipeline = await openPipelineFolder(folder, options);
  if (!families.includes(pipeline.className)) {
    throw new SnoopiError(
      `${folder.name}: it is a ${pipeline.className}. Only ${families.join(", ")} can be run, the Stable Diffusion 1 and 2 family.`,
    );
  }
  const shape = modelShape(
    {
      textEncoder: await pipeline.config("text_encoder"),
      unet: await pipeline.config("unet"),
      vae: await pipeline.config("vae"),
      scheduler: await pipeline.config("scheduler"),
    },
    folder.name,
  );
  const { vocabSize, maxPositionEmbeddings: maxPositions } = shape.text;
  const tokenizer = await readClipTokenizer(pipeline.component("tokenizer").folder, { maxPositions });
  if (tokenizer.vocabSize > vocabSize) {
    throw new SnoopiError(
      `${folder.name}: the tokenizer has ${tokenizer.vocabSize} tokens and the text encoder ${vocabSize}. The components are not of the same model.`,
    );
  }
  return { ...shape, name: folder.name, tokenizer, weights: (component) => pipeline.weights(component) };
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
  const factor = autoencoderFactor(vae);
  const [rows, columns] = unetSizes.sampleSize ?? [64, 64];
  return {
    text,
    unet: unetSizes,
    vae,
    schedule: noiseSchedule(stableDiffusionConfig(scheduler)),
    sampling: samplingOf(configs.scheduler),
    factor,
    size: { width: columns * factor, height: rows * factor },
    ignored: Object.entries({ text_encoder: text, unet: unetSizes, vae, scheduler }).flatMap(([part, config]) =>
      config.ignored.map((key) => `${part}.${key}`),
    ),
    networks: [
      { component: "text_encoder", kind: "clip", build: (p) => clipText(p, text), whole: (p) => clipText(p, text) },
      { component: "unet", kind: "unet", build: (p) => unet(p, unetSizes), whole: (p) => unet(p, unetSizes) },
      { component: "vae", kind: "vae", build: (p) => latentDecoder(p, vae), whole: (p) => autoencoder(p, vae) },
    ],
  };
}

/** The parameters of a network that making pictures needs, with their shapes. */
export const needed = (network: Network) => manifest(network.build);
