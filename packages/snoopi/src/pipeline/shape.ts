import { SnoopiError, type Tensor } from "@snoopi/core";
import {
  type AutoencoderConfig,
  autoencoder,
  type DiffusionNetwork,
  latentDecoder,
  manifest,
  type NetworkKind,
  type Params,
  type ParsedConfig,
} from "@snoopi/models";
import type { NoiseSchedule } from "../schedule/noise-schedule.ts";
import type { Sampling } from "./sampling.ts";

/** One network of a pipeline: which folder it is in and how to build it. */
export interface Network<N = unknown> {
  readonly component: "text_encoder" | "unet" | "transformer" | "vae";
  readonly kind: NetworkKind;
  /** Builds what making pictures needs, from the parameters for that alone. */
  readonly build: (p: Params) => N;
  /** Asks for all parameters of the network: others in the file are unexpected. */
  readonly whole: (p: Params) => unknown;
}

/** Ids `[B, L]` to tokens `[B, L, width]`; a mask `[B, L]` says 1 where a token counts and 0 where it is padding. */
export type EncodeIds = (ids: Tensor, mask?: Tensor) => Tensor;

/** What reads prompts. */
export interface TextNetwork extends Network<EncodeIds> {
  /** Whether padding is hidden, from the text encoder itself and from cross-attention. CLIP's is not, T5's is. */
  readonly masked: boolean;
  /** Tokens of a text, padding included. */
  readonly length: number;
  readonly width: number;
  /** Ids are below it. */
  readonly vocabSize: number;
}

/** A text-to-image model as its configs describe it. */
export interface ModelShape {
  readonly text: TextNetwork;
  readonly network: Network<DiffusionNetwork>;
  readonly vae: AutoencoderConfig;
  readonly schedule: NoiseSchedule;
  /** How it draws by default. */
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

/** The parameters of a network that making pictures needs, with their shapes. */
export const needed = (network: Network) => manifest(network.build);

/** A VAE, of which pictures need the decoder. */
export const vaeNetwork = (vae: AutoencoderConfig): Network => ({
  component: "vae",
  kind: "vae",
  build: (p) => latentDecoder(p, vae),
  whole: (p) => autoencoder(p, vae),
});

/** @throws SnoopiError when two parts of a model say different things. */
export function agree(name: string, what: string, [a, b]: readonly [number, number], fix: string): void {
  if (a !== b) throw new SnoopiError(`${name}: ${what}, ${a} and ${b}. ${fix}`);
}

/** The keys that parsed configs did not know, as `component.key`. */
export const ignoredOf = (configs: Readonly<Record<string, ParsedConfig>>): string[] =>
  Object.entries(configs).flatMap(([part, { ignored }]) => ignored.map((key) => `${part}.${key}`));
