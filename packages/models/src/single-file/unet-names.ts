import type { UNetConfig } from "../checkpoint/config-unet.ts";
import type { Renaming } from "./renaming.ts";

const ends: readonly (readonly [string, string])[] = [
  ["time_embed.0", "time_embedding.linear_1"],
  ["time_embed.2", "time_embedding.linear_2"],
  ["input_blocks.0.0", "conv_in"],
  ["middle_block.0", "mid_block.resnets.0"],
  ["middle_block.1", "mid_block.attentions.0"],
  ["middle_block.2", "mid_block.resnets.1"],
  ["out.0", "conv_norm_out"],
  ["out.2", "conv_out"],
];

/** Layers of a resnet. Those of a transformer have the same names in both. */
const parts = new Map([
  ["in_layers.0", "norm1"],
  ["in_layers.2", "conv1"],
  ["emb_layers.1", "time_emb_proj"],
  ["out_layers.0", "norm2"],
  ["out_layers.3", "conv2"],
  ["skip_connection", "conv_shortcut"],
]);

/**
 * Names of LDM's UNet. It numbers the layers of all blocks consecutively, on the way down and on the way up, with 0 for the resnet and 1 for the
 * transformer inside a layer; the upsampler at the end of a block comes after them.
 */
export function unetNames({ layersPerBlock, downBlockTypes, upBlockTypes }: UNetConfig): Renaming {
  const modules = new Map(ends);
  const last = layersPerBlock.length - 1;
  let i = 1;
  for (const [block, layers] of layersPerBlock.entries()) {
    for (let layer = 0; layer < layers; layer++, i++) {
      modules.set(`input_blocks.${i}.0`, `down_blocks.${block}.resnets.${layer}`);
      if (downBlockTypes[block] === "CrossAttnDownBlock2D") modules.set(`input_blocks.${i}.1`, `down_blocks.${block}.attentions.${layer}`);
    }
    if (block < last) modules.set(`input_blocks.${i++}.0.op`, `down_blocks.${block}.downsamplers.0.conv`);
  }
  i = 0;
  for (const [block, layers] of layersPerBlock.toReversed().entries()) {
    const attends = upBlockTypes[block] === "CrossAttnUpBlock2D";
    for (let layer = 0; layer <= layers; layer++, i++) {
      modules.set(`output_blocks.${i}.0`, `up_blocks.${block}.resnets.${layer}`);
      if (attends) modules.set(`output_blocks.${i}.1`, `up_blocks.${block}.attentions.${layer}`);
      if (layer === layers && block < last)
        modules.set(`output_blocks.${i}.${attends ? 2 : 1}.conv`, `up_blocks.${block}.upsamplers.0.conv`);
    }
  }
  return { modules, parts };
}
