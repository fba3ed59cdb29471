import { concat, resize, type Tensor } from "@snoopi/core";
import type { Attend, Context } from "../attention.ts";
import { conv2d } from "../layers.ts";
import type { Params } from "../params.ts";
import { type ResnetSizes, resnetBlock } from "./resnet.ts";
import { type TransformerSizes, transformer2d } from "./transformer.ts";

/** What all blocks of a network see besides their own input. */
export interface Surroundings {
  /** The activated time embedding, `[1 or B, time]`. */
  readonly time: Tensor;
  readonly context: Context;
  readonly attend?: Attend | undefined;
}

export interface BlockSizes {
  readonly width: number;
  readonly out: number;
  readonly resnet: Omit<ResnetSizes, "width" | "out">;
  /** Follows every resnet; absent in blocks that do not attend. */
  readonly transformer?: TransformerSizes | undefined;
}

/** A resnet and, where the block attends, a transformer. */
function stage(p: Params, index: number, { width, out, resnet: sizes, transformer }: BlockSizes) {
  const resnet = resnetBlock(p.at(`resnets.${index}`), { ...sizes, width, out });
  const attention = transformer && transformer2d(p.at(`attentions.${index}`), out, transformer);
  return (x: Tensor, { time, context, attend }: Surroundings): Tensor => {
    const h = resnet(x, time);
    return attention ? attention(h, context, attend) : h;
  };
}

export interface DownBlockSizes extends BlockSizes {
  /** Number of resnets. */
  readonly layers: number;
  /** Padding of the convolution at the end that halves the image; absent where none does. */
  readonly downsample?: { readonly padding: number } | undefined;
}

/** diffusers' `DownBlock2D` and `CrossAttnDownBlock2D`. Gives the output of every part, for the way up; the last is the block's own. */
export function downBlock(p: Params, { layers, downsample, ...sizes }: DownBlockSizes) {
  const { width, out } = sizes;
  const stages = Array.from({ length: layers }, (_, i) => stage(p, i, { ...sizes, width: i === 0 ? width : out }));
  // Padding 0 means one row and column of zeros at the far sides, as in the VAE.
  const padding = downsample?.padding === 0 ? ([0, 1, 0, 1] as const) : (downsample?.padding ?? 0);
  const halve = downsample && conv2d(p.at("downsamplers.0.conv"), out, out, { stride: 2, padding });

  return (x: Tensor, around: Surroundings): Tensor[] => {
    const outputs: Tensor[] = [];
    for (const part of stages) outputs.push(part(outputs.at(-1) ?? x, around));
    if (halve) outputs.push(halve(outputs.at(-1)!));
    return outputs;
  };
}

/** diffusers' `UNetMidBlock2DCrossAttn`: resnet, transformer, resnet. */
export function midBlock(p: Params, { width, resnet, transformer }: Omit<BlockSizes, "out">) {
  const first = stage(p, 0, { width, out: width, resnet, transformer });
  const second = stage(p, 1, { width, out: width, resnet });
  return (x: Tensor, around: Surroundings): Tensor => second(first(x, around), around);
}

export interface UpBlockSizes extends BlockSizes {
  /** Widths of what came down and is taken in again, one for each resnet, in the order of use. */
  readonly skips: readonly number[];
  readonly upsample: boolean;
}

/** diffusers' `UpBlock2D` and `CrossAttnUpBlock2D`. Takes its skips off the end of `skips`, and grows to the size of the next one. */
export function upBlock(p: Params, { skips: skipWidths, upsample, ...sizes }: UpBlockSizes) {
  const { width, out } = sizes;
  const stages = skipWidths.map((skip, i) => stage(p, i, { ...sizes, width: (i === 0 ? width : out) + skip }));
  const smooth = upsample ? conv2d(p.at("upsamplers.0.conv"), out, out, { padding: 1 }) : undefined;

  return (x: Tensor, skips: Tensor[], around: Surroundings): Tensor => {
    let h = x;
    for (const part of stages) h = part(concat([h, skips.pop()!], { axis: 1 }), around);
    if (!smooth) return h;
    // Twice the size, or one row or column less where halving rounded up.
    const [, , height, columns] = skips.at(-1)!.shape;
    return smooth(resize(h, [height, columns]));
  };
}
