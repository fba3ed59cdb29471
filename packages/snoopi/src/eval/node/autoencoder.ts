import { type Device, scope, type Tensor } from "@snoopi/core";
import {
  type AutoencoderConfig,
  autoencoderFactor,
  latentDecoder,
  latentEncoder,
  openComponentWeights,
  type Params,
  scaleLatents,
  subfolder,
} from "@snoopi/models";
import { nodeFolder } from "@snoopi/models/node";
import { openModel } from "../../pipeline/open.ts";
import { openNetwork } from "../../train/node/network.ts";
import { digestOf } from "../../train/node/origin.ts";
import { resized } from "../../train/resize.ts";
import { type Numbers, uploaded } from "../../train/stage.ts";
import { drawnFrom } from "./drawn-from.ts";

/** A model's VAE, both ways. */
export interface Autoencoder extends Disposable {
  /** The model's folder. */
  readonly model: string;
  readonly origin: string;
  /** The side of its pictures. */
  readonly side: number;
  /** The side of its latents. */
  readonly latentSide: number;
  /** Mean latents, scaled for a UNet, of pictures that `resized` can bring to `side`. To be called in a scope. */
  latents(pictures: Numbers): Tensor;
  /** What is left of pictures after encoder and decoder. */
  roundTrip(pictures: Numbers): Promise<Numbers>;
}

/** What a model's VAE is, before its weights are read. */
export interface AutoencoderAbout {
  readonly config: AutoencoderConfig;
  readonly side: number;
  readonly origin: string;
}

/** Any side fits a VAE, whatever its config says: it is that of the pictures that the whole model draws. */
export async function readAutoencoder(model: string): Promise<AutoencoderAbout> {
  const { vae: config, size } = await openModel(nodeFolder(model));
  const own = await digestOf(model, await drawnFrom(model, "vae/"));
  return { config, side: size.width, origin: `${own}-${size.width}` };
}

export async function openAutoencoder(
  model: string,
  { device, config, side, origin }: AutoencoderAbout & { readonly device: Device },
): Promise<Autoencoder> {
  const weights = await openComponentWeights(subfolder(nodeFolder(model), "vae"));
  const build = (p: Params) => ({ encode: latentEncoder(p, config), decode: latentDecoder(p, config) });
  const { network, tensors } = await openNetwork("vae", weights, { build, device, dtype: "f32" });
  const encoded = (pictures: Numbers) => network.encode(uploaded({ x: resized(pictures, side) }, device).x);
  return {
    model,
    origin,
    side,
    latentSide: side / autoencoderFactor(config),
    latents: (pictures) => scaleLatents(encoded(pictures), config),
    roundTrip: (pictures) =>
      scope(async (s) => {
        const back = s.run(() => network.decode(encoded(pictures)));
        return { shape: back.shape, data: (await back.data()) as Float32Array };
      }),
    [Symbol.dispose]() {
      for (const t of tensors.values()) t.dispose();
    },
  };
}
