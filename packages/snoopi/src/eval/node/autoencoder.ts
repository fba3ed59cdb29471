import { type Device, scope, type Tensor } from "@snoopi/core";
import {
  type AutoencoderConfig,
  autoencoderConfig,
  latentDecoder,
  latentEncoder,
  openComponentWeights,
  type Params,
  readConfig,
  scaleLatents,
  subfolder,
} from "@snoopi/models";
import { nodeFolder } from "@snoopi/models/node";
import { openModel } from "../../pipeline/open.ts";
import { openNetwork } from "../../train/node/network.ts";
import { originOf } from "../../train/node/origin.ts";
import { resized } from "../../train/resize.ts";
import { type Numbers, uploaded } from "../../train/stage.ts";

/** A model's VAE, both ways. */
export interface Autoencoder extends Disposable {
  /** The model's folder. */
  readonly model: string;
  readonly origin: string;
  /** The side of its pictures. */
  readonly side: number;
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

/** An AutoencoderTiny's config has no side, as any fits: then the side is that of the pictures that the whole model draws. */
export async function readAutoencoder(model: string): Promise<AutoencoderAbout> {
  const config = autoencoderConfig(await readConfig(subfolder(nodeFolder(model), "vae")));
  const weights = await originOf(model, ["vae"]);
  if (config.className === "AutoencoderKL") return { config, side: config.sampleSize, origin: weights };
  const side = (await openModel(nodeFolder(model))).size.width;
  return { config, side, origin: `${weights}-${side}` };
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
