import { add, permute, reshape, resize, silu, type Tensor } from "@snoopi/core";
import { attentionLayer } from "../attention.ts";
import { conv2d, groupNorm } from "../layers.ts";
import type { Params } from "../params.ts";

// What encoder and decoder are made of. Images are `[B, C, H, W]`.

/** diffusers fixes it for every norm of the VAE, whatever the config says. */
const eps = 1e-6;

export interface BlockSizes {
  readonly width: number;
  readonly out: number;
  /** Groups of each group norm. */
  readonly groups: number;
}

/** Norm, SiLU and 3×3 convolution, twice, with a skip connection. */
export function resnetBlock(p: Params, { width, out, groups }: BlockSizes) {
  const norm1 = groupNorm(p.at("norm1"), width, { groups, eps });
  const conv1 = conv2d(p.at("conv1"), width, out, { padding: 1 });
  const norm2 = groupNorm(p.at("norm2"), out, { groups, eps });
  const conv2 = conv2d(p.at("conv2"), out, out, { padding: 1 });
  const skip = width === out ? (x: Tensor) => x : conv2d(p.at("conv_shortcut"), width, out, { kernel: 1 });
  return (x: Tensor): Tensor => {
    const h = conv1(silu(norm1(x)));
    return add(skip(x), conv2(silu(norm2(h))));
  };
}

/** Every pixel attends to all others, with one head of full width and a skip connection. */
function pixelAttention(p: Params, width: number, groups: number) {
  const norm = groupNorm(p.at("group_norm"), width, { groups, eps });
  const attend = attentionLayer(p, { width, heads: 1, headWidth: width, bias: true });
  return (x: Tensor): Tensor => {
    const [b, c, h, w] = x.shape;
    const tokens = permute(reshape(norm(x), [b, c, h * w]), [0, 2, 1]);
    return add(x, reshape(permute(attend(tokens), [0, 2, 1]), [b, c, h, w]));
  };
}

/** The narrowest part: two resnets, and attention between them if the model has it. */
export function midBlock(p: Params, { width, groups, withAttention }: Omit<BlockSizes, "out"> & { readonly withAttention: boolean }) {
  const before = resnetBlock(p.at("resnets.0"), { width, out: width, groups });
  const attend = withAttention ? pixelAttention(p.at("attentions.0"), width, groups) : (x: Tensor) => x;
  const after = resnetBlock(p.at("resnets.1"), { width, out: width, groups });
  return (x: Tensor): Tensor => after(attend(before(x)));
}

/** Half the size. Zeros only to the right and below: the UNet pads all around instead. */
export const downsample = (p: Params, width: number) => conv2d(p.at("conv"), width, width, { stride: 2, padding: [0, 1, 0, 1] });

/** Twice the size, each pixel repeated, then a 3×3 convolution. */
export function upsample(p: Params, width: number) {
  const conv = conv2d(p.at("conv"), width, width, { padding: 1 });
  return (x: Tensor): Tensor => conv(resize(x, [2 * x.shape[2], 2 * x.shape[3]]));
}

/** The end of both halves: norm, SiLU, convolution. Their parameter names share no prefix of their own. */
export function outBlock(p: Params, { width, out, groups }: BlockSizes) {
  const norm = groupNorm(p.at("conv_norm_out"), width, { groups, eps });
  const conv = conv2d(p.at("conv_out"), width, out, { padding: 1 });
  return (x: Tensor): Tensor => conv(silu(norm(x)));
}
