import { add, geglu, permute, reshape, type Tensor } from "@snoopi/core";
import { type Attend, attentionLayer, type Context } from "../attention.ts";
import { conv2d, groupNorm, layerNorm, linear } from "../layers.ts";
import type { Params } from "../params.ts";

export interface TransformerSizes {
  readonly heads: number;
  /** Transformer blocks, one after another. */
  readonly layers: number;
  /** Width of the context's tokens. */
  readonly contextWidth: number;
  readonly groups: number;
  /** Whether `proj_in` and `proj_out` are Linear layers on tokens or 1×1 convolutions on the image: the same numbers either way. */
  readonly linearProjection: boolean;
}

/** diffusers' `Transformer2DModel`: pixels of `x [B, width, H, W]` attend to each other and to a context. */
export function transformer2d(p: Params, width: number, { heads, layers, contextWidth, groups, linearProjection }: TransformerSizes) {
  const projection = (name: string) =>
    linearProjection ? linear(p.at(name), width, width) : conv2d(p.at(name), width, width, { kernel: 1 });
  // Fixed, whatever the UNet's norm_eps is.
  const norm = groupNorm(p.at("norm"), width, { groups, eps: 1e-6 });
  const projIn = projection("proj_in");
  const blocks = Array.from({ length: layers }, (_, i) =>
    transformerBlock(p.at(`transformer_blocks.${i}`), width, { heads, contextWidth }),
  );
  const projOut = projection("proj_out");

  return (x: Tensor, context: Context, attend?: Attend): Tensor => {
    const normed = norm(x);
    let h = linearProjection ? projIn(toTokens(normed)) : toTokens(projIn(normed)); // [B, H·W, width]
    for (const block of blocks) h = block(h, context, attend);
    return add(x, linearProjection ? toImage(projOut(h), x) : projOut(toImage(h, x)));
  };
}

/** `[B, C, H, W] → [B, H·W, C]` */
const toTokens = (x: Tensor): Tensor => permute(reshape(x, [x.shape[0], x.shape[1], x.shape[2] * x.shape[3]]), [0, 2, 1]);

/** `[B, H·W, C] → [B, C, H, W]` */
const toImage = (tokens: Tensor, like: Tensor): Tensor => reshape(permute(tokens, [0, 2, 1]), like.shape);

/** diffusers' `BasicTransformerBlock`: self-attention, cross-attention and a gated MLP, each on normed tokens with a skip connection. */
function transformerBlock(p: Params, width: number, { heads, contextWidth }: Pick<TransformerSizes, "heads" | "contextWidth">) {
  const norm = (name: string) => layerNorm(p.at(name), width, { eps: 1e-5 });
  const sizes = { width, heads, headWidth: width / heads };
  const [norm1, norm2, norm3] = [norm("norm1"), norm("norm2"), norm("norm3")];
  const selfAttention = attentionLayer(p.at("attn1"), sizes);
  const crossAttention = attentionLayer(p.at("attn2"), { ...sizes, contextWidth });
  const feedForward = gatedFeedForward(p.at("ff"), width);

  return (tokens: Tensor, context: Context, attend?: Attend): Tensor => {
    let h = tokens;
    h = add(h, selfAttention(norm1(h)));
    h = add(h, crossAttention(norm2(h), context, attend));
    return add(h, feedForward(norm3(h)));
  };
}

/** A GEGLU MLP, four times as wide inside. */
function gatedFeedForward(p: Params, width: number) {
  const inner = 4 * width;
  const open = linear(p.at("net.0.proj"), width, 2 * inner);
  const close = linear(p.at("net.2"), inner, width);
  return (x: Tensor): Tensor => close(geglu(open(x)));
}
