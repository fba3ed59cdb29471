import { abs, add, type Device, exp, type Key, mean, mul, square, sub } from "@snoopi/core";
import { autoencoderKL, load, params, sampleLatents, type VaeConfig, vaeFactor } from "@snoopi/models";
import { normals, picturesOf, scenesOf, stepKey } from "./examples.ts";
import { initialised, layerDefaults } from "./initialise.ts";
import type { Stage } from "./stage.ts";

export interface VaeLoss {
  /** Weight of the mean absolute error beside the mean square. */
  readonly l1: number;
  /** Weight of the mean, over a picture's latents, of the divergence from a standard normal. */
  readonly kl: number;
  /**
   * Weight of the mean square of errors in colour: each pixel's error less its mean over red, green and blue. Without it latents separate
   * grounds well but hues of equal brightness hardly, and models that learn them confuse the hues.
   */
  readonly chroma: number;
}

export interface VaeStageOptions {
  readonly device: Device;
  readonly network: VaeConfig;
  readonly batch: number;
  readonly loss: VaeLoss;
  readonly key: Key;
}

/** Trains an AutoencoderKL from scratch: reconstruction of one sampled latent, and a little KL divergence that keeps latents close. */
export function vaeStage({ device, network, batch, loss: weights, key }: VaeStageOptions): Stage {
  const parameters = initialised((p) => autoencoderKL(p, network), { device, key, initialiser: layerDefaults });
  const { encode, decode } = autoencoderKL(params(load(new Map(Object.entries(parameters)))), network);
  const { sampleSize: side, latentChannels } = network;
  const latent = side / vaeFactor(network);
  return {
    name: "vae",
    device,
    parameters,
    batch: (step) => ({
      x: picturesOf(scenesOf(key, step * batch, batch), side),
      noise: normals([batch, latentChannels, latent, latent], stepKey(key, 1, step)),
    }),
    loss({ x, noise }) {
      const moments = encode(x);
      const off = sub(decode(sampleLatents(moments, noise)), x);
      const mse = mean(square(off));
      const chroma = mean(square(sub(off, mean(off, { axis: 1, keepdims: true }))));
      // ½ (μ² + σ² − 1 − log σ²)
      const kl = mul(mean(sub(sub(add(square(moments.mean), exp(moments.logvar)), 1), moments.logvar)), 0.5);
      const terms = [mul(mean(abs(off)), weights.l1), mul(kl, weights.kl), mul(chroma, weights.chroma)];
      return { loss: terms.reduce(add, mse), mse, kl, chroma };
    },
  };
}
