import type { VaeConfig } from "../checkpoint/config-vae.ts";
import type { Renaming } from "./renaming.ts";

/** In encoder and decoder. */
const ends: readonly (readonly [string, string])[] = [
  ["conv_in", "conv_in"],
  ["mid.block_1", "mid_block.resnets.0"],
  ["mid.attn_1", "mid_block.attentions.0"],
  ["mid.block_2", "mid_block.resnets.1"],
  ["norm_out", "conv_norm_out"],
  ["conv_out", "conv_out"],
];

/** Layers of a resnet, where names differ, and of an attention. */
const parts = new Map([
  ["nin_shortcut", "conv_shortcut"],
  ["norm", "group_norm"],
  ["q", "to_q"],
  ["k", "to_k"],
  ["v", "to_v"],
  ["proj_out", "to_out.0"],
]);

/** Names of LDM's VAE. It numbers the decoder's blocks from the largest picture to the smallest, diffusers in the order of computation. */
export function vaeNames({ blockOutChannels, layersPerBlock }: VaeConfig): Renaming {
  const modules = new Map([
    ["quant_conv", "quant_conv"],
    ["post_quant_conv", "post_quant_conv"],
    ...["encoder", "decoder"].flatMap((half) => ends.map(([from, to]) => [`${half}.${from}`, `${half}.${to}`] as const)),
  ]);
  const last = blockOutChannels.length - 1;
  for (let block = 0; block <= last; block++) {
    const [down, up] = [`encoder.down.${block}`, `decoder.up.${last - block}`];
    for (let layer = 0; layer < layersPerBlock; layer++)
      modules.set(`${down}.block.${layer}`, `encoder.down_blocks.${block}.resnets.${layer}`);
    for (let layer = 0; layer <= layersPerBlock; layer++)
      modules.set(`${up}.block.${layer}`, `decoder.up_blocks.${block}.resnets.${layer}`);
    if (block < last) {
      modules.set(`${down}.downsample.conv`, `encoder.down_blocks.${block}.downsamplers.0.conv`);
      modules.set(`${up}.upsample.conv`, `decoder.up_blocks.${block}.upsamplers.0.conv`);
    }
  }
  return { modules, parts };
}
