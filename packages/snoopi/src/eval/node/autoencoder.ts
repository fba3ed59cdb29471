import { type Device, scope, type Tensor } from "@snoopi/core";
import { autoencoderKL, openComponentWeights, type Params, readConfig, scaleLatents, subfolder, vaeConfig } from "@snoopi/models";
import { nodeFolder } from "@snoopi/models/node";
import { openNetwork } from "../../train/node/network.ts";
import { originOf } from "../../train/node/origin.ts";
import { type Numbers, uploaded } from "../../train/stage.ts";
import { resized } from "../table/resize.ts";

/** A model's VAE, both ways. */
export interface Autoencoder extends Disposable {
  /** The model's folder. */
  readonly model: string;
  readonly origin: string;
  /** The side of its pictures. */
  readonly side: number;
  /** Latents' means as a UNet sees them, of pictures of any side that fits; to be called in a scope. */
  latents(pictures: Numbers): Tensor;
  /** What is left of pictures after encoder and decoder. */
  roundTrip(pictures: Numbers): Promise<Numbers>;
}

export async function openAutoencoder(model: string, { device }: { readonly device: Device }): Promise<Autoencoder> {
  const folder = subfolder(nodeFolder(model), "vae");
  const config = vaeConfig(await readConfig(folder));
  const build = (p: Params) => autoencoderKL(p, config);
  const { network, tensors } = await openNetwork("vae", await openComponentWeights(folder), { build, device, dtype: "f32" });
  const encoded = (pictures: Numbers) => network.encode(uploaded({ x: resized(pictures, config.sampleSize) }, device).x).mean;
  return {
    model,
    origin: await originOf(model, ["vae"]),
    side: config.sampleSize,
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
