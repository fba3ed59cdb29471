import { chunk, clamp, OpError, show, type Tensor } from "@snoopi/core";
import type { VaeConfig } from "./checkpoint/config-vae.ts";
import { conv2d } from "./layers.ts";
import type { Params } from "./params.ts";
import { downsample, midBlock, outBlock, resnetBlock, upsample } from "./vae/blocks.ts";
import type { Moments } from "./vae/latents.ts";

// Two networks that know nothing of each other: load the half you need. Parameters are named as in diffusers.

/** The part of a checkpoint's parsed config that shapes the network. */
export type VaeSizes = Pick<
  VaeConfig,
  | "inChannels"
  | "outChannels"
  | "blockOutChannels"
  | "layersPerBlock"
  | "latentChannels"
  | "normNumGroups"
  | "useQuantConv"
  | "usePostQuantConv"
  | "midBlockAddAttention"
>;

/** Pixels along one side of a latent: 8 for Stable Diffusion. */
export const vaeFactor = ({ blockOutChannels }: Pick<VaeConfig, "blockOutChannels">): number => 2 ** (blockOutChannels.length - 1);

const identity = (x: Tensor): Tensor => x;

const chain =
  (steps: readonly ((x: Tensor) => Tensor)[]) =>
  (x: Tensor): Tensor =>
    steps.reduce((h, step) => step(h), x);

/**
 * Images `[B, 3, H, W]` in −1 … 1 to the distribution of their latents `[B, C, H/8, W/8]`, for {@link vaeFactor} 8. Its log variance is clamped to
 * −30 … 20. Neither is scaled for a UNet yet.
 */
export function vaeEncoder(p: Params, config: VaeSizes) {
  const { blockOutChannels: widths, layersPerBlock, latentChannels, normNumGroups: groups } = config;
  const e = p.at("encoder");
  const deepest = widths[widths.length - 1];
  const blocks = widths.flatMap((out, i) => {
    const at = e.at(`down_blocks.${i}`);
    const resnets = Array.from({ length: layersPerBlock }, (_, j) =>
      resnetBlock(at.at(`resnets.${j}`), { width: j > 0 ? out : (widths[i - 1] ?? widths[0]), out, groups }),
    );
    return i < widths.length - 1 ? [...resnets, downsample(at.at("downsamplers.0"), out)] : resnets;
  });
  const run = chain([
    conv2d(e.at("conv_in"), config.inChannels, widths[0], { padding: 1 }),
    ...blocks,
    midBlock(e.at("mid_block"), { width: deepest, groups, withAttention: config.midBlockAddAttention }),
    outBlock(e, { width: deepest, out: 2 * latentChannels, groups }),
    config.useQuantConv ? conv2d(p.at("quant_conv"), 2 * latentChannels, 2 * latentChannels, { kernel: 1 }) : identity,
  ]);

  return (x: Tensor): Moments => {
    checkImage("vaeEncoder", x, config.inChannels);
    const [mean, logvar] = chunk(run(x), 2, { axis: 1 });
    return { mean, logvar: clamp(logvar, -30, 20) };
  };
}

/** Latents `[B, C, h, w]`, after `unscaleLatents`, to images `[B, 3, 8h, 8w]` around −1 … 1, for {@link vaeFactor} 8. */
export function vaeDecoder(p: Params, config: VaeSizes) {
  const { layersPerBlock, latentChannels, normNumGroups: groups } = config;
  const widths = config.blockOutChannels.toReversed();
  const d = p.at("decoder");
  const deepest = widths[0];
  const blocks = widths.flatMap((out, i) => {
    const at = d.at(`up_blocks.${i}`);
    const resnets = Array.from({ length: layersPerBlock + 1 }, (_, j) =>
      resnetBlock(at.at(`resnets.${j}`), { width: j > 0 ? out : (widths[i - 1] ?? deepest), out, groups }),
    );
    return i < widths.length - 1 ? [...resnets, upsample(at.at("upsamplers.0"), out)] : resnets;
  });
  const run = chain([
    config.usePostQuantConv ? conv2d(p.at("post_quant_conv"), latentChannels, latentChannels, { kernel: 1 }) : identity,
    conv2d(d.at("conv_in"), latentChannels, deepest, { padding: 1 }),
    midBlock(d.at("mid_block"), { width: deepest, groups, withAttention: config.midBlockAddAttention }),
    ...blocks,
    outBlock(d, { width: widths[widths.length - 1], out: config.outChannels, groups }),
  ]);

  return (z: Tensor): Tensor => {
    checkImage("vaeDecoder", z, latentChannels);
    return run(z);
  };
}

/** Both halves of diffusers' `AutoencoderKL`. */
export const autoencoderKL = (p: Params, config: VaeSizes) => ({ encode: vaeEncoder(p, config), decode: vaeDecoder(p, config) });

function checkImage(what: string, x: Tensor, channels: number): void {
  if (x.rank === 4 && x.shape[1] === channels) return;
  throw new OpError(what, `the input is ${show(x.shape)}, expected [batch, ${channels}, height, width]`);
}
