import { alias, checkpoint, concat, resize, type Tensor } from "@snoopi/core";
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
  /** Whether the backward pass computes every part again from its inputs. */
  readonly checkpoint?: boolean | undefined;
}

type Part = (inputs: readonly Tensor[], around: Surroundings) => Tensor;

/**
 * Recomputed by the backward pass if that is asked for. All it reads is passed in, as the scope of the call may have ended by then. Inputs
 * get nodes of their own either way, so that cotangents are summed in the same order and gradients agree to the last bit.
 */
const thrifty =
  (part: Part): Part =>
  (inputs, { checkpoint: again, attend, ...around }) => {
    const run = (all: { inputs: readonly Tensor[]; around: Surroundings }) => part(all.inputs, { ...all.around, attend });
    if (again) return checkpoint(run)({ inputs, around });
    // The context stays the caller's own object, so that guidance can recognise it.
    return run({ inputs: inputs.map(alias), around: { ...around, time: alias(around.time) } });
  };

export interface BlockSizes {
  readonly width: number;
  readonly out: number;
  readonly resnet: Omit<ResnetSizes, "width" | "out">;
  /** Follows every resnet; absent in blocks that do not attend. */
  readonly transformer?: TransformerSizes | undefined;
}

/** A resnet and, where the block attends, a transformer. Inputs are joined along the channels. */
function stage(p: Params, index: number, { width, out, resnet: sizes, transformer }: BlockSizes): Part {
  const resnet = resnetBlock(p.at(`resnets.${index}`), { ...sizes, width, out });
  const attention = transformer && transformer2d(p.at(`attentions.${index}`), out, transformer);
  return thrifty((inputs, { time, context, attend }) => {
    const h = resnet(inputs.length === 1 ? inputs[0] : concat(inputs, { axis: 1 }), time);
    return attention ? attention(h, context, attend) : h;
  });
}

export interface DownBlockSizes extends BlockSizes {
  /** Number of resnets. */
  readonly layers: number;
  /** Padding of the convolution at the end that halves the image; absent where none does. */
  readonly downsample?: { readonly padding: number } | undefined;
}

/** diffusers' `DownBlock2D` and `CrossAttnDownBlock2D`. Returns the output of every part, for the skips; the last is the block's own. */
export function downBlock(p: Params, { layers, downsample, ...sizes }: DownBlockSizes) {
  const { width, out } = sizes;
  const stages = Array.from({ length: layers }, (_, i) => stage(p, i, { ...sizes, width: i === 0 ? width : out }));
  // Padding 0 means one row and column of zeros at the far sides, as in the VAE.
  const padding = downsample?.padding === 0 ? ([0, 1, 0, 1] as const) : (downsample?.padding ?? 0);
  const halve = downsample && conv2d(p.at("downsamplers.0.conv"), out, out, { stride: 2, padding });

  return (x: Tensor, around: Surroundings): Tensor[] => {
    const outputs: Tensor[] = [];
    for (const part of stages) outputs.push(part([outputs.at(-1) ?? x], around));
    if (halve) outputs.push(halve(outputs.at(-1)!));
    return outputs;
  };
}

/** diffusers' `UNetMidBlock2DCrossAttn`: resnet, transformer, resnet. */
export function midBlock(p: Params, { width, resnet, transformer }: Omit<BlockSizes, "out">) {
  const first = stage(p, 0, { width, out: width, resnet, transformer });
  const second = stage(p, 1, { width, out: width, resnet });
  return (x: Tensor, around: Surroundings): Tensor => second([first([x], around)], around);
}

export interface UpBlockSizes extends BlockSizes {
  /** Widths of the skip connections, one for each resnet, in the order of use. */
  readonly skips: readonly number[];
  readonly upsample: boolean;
}

/** diffusers' `UpBlock2D` and `CrossAttnUpBlock2D`. Takes its skips off the end of `skips`, and upsamples to the size of the next one. */
export function upBlock(p: Params, { skips: skipWidths, upsample, ...sizes }: UpBlockSizes) {
  const { width, out } = sizes;
  const stages = skipWidths.map((skip, i) => stage(p, i, { ...sizes, width: (i === 0 ? width : out) + skip }));
  const convolve = upsample ? conv2d(p.at("upsamplers.0.conv"), out, out, { padding: 1 }) : undefined;

  // Twice the size, or one row or column less where halving rounded up.
  const grow = (smooth: (x: Tensor) => Tensor, h: Tensor, height: number, columns: number, around: Surroundings) =>
    thrifty(([x]) => smooth(resize(x, [height, columns])))([h], around);

  return (x: Tensor, skips: Tensor[], around: Surroundings): Tensor => {
    let h = x;
    for (const part of stages) h = part([h, skips.pop()!], around);
    if (!convolve) return h;
    const [, , height, columns] = skips.at(-1)!.shape;
    return grow(convolve, h, height, columns, around);
  };
}
