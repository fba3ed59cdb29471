import { add, attention, gelu, mul, notEqual, OpError, relu, reshape, show, type Tensor, where } from "@snoopi/core";
import { mergeHeads, splitHeads } from "./attention.ts";
import type { T5Config } from "./checkpoint/config-t5.ts";
import { embedding, linear, rmsNorm } from "./layers.ts";
import type { Params } from "./params.ts";
import { relativeBias } from "./t5/relative-position.ts";

// T5's encoder: the original (relu) and version 1.1 (gated GELU), which PixArt, Stable Diffusion 3 and Flux use.
//
// In large models the residual stream exceeds 65504, so transformers keeps `wo` in f32 and clamps f16 values. Here only stored weights are
// f16 (docs/decisions/0004): activations are f32 from the embedding on, and nothing overflows.

/** A checkpoint's parsed config. */
export type T5Sizes = Omit<T5Config, "ignored">;

export interface T5Options {
  /** `[B, L]` of any type: 0 where a token is padding, which no token attends to. Default: all count. */
  readonly mask?: Tensor;
}

const activations: Readonly<Record<T5Sizes["denseActFn"], (x: Tensor) => Tensor>> = {
  relu,
  gelu_new: (x) => gelu(x, { approximate: "tanh" }),
};

/** The lowest finite f32. It absorbs any score it is added to: a text of only padding sees all its tokens alike, as in transformers. */
const lowest = -(2 - 2 ** -23) * 2 ** 127;

/**
 * T5's encoder: `ids [B, L]` (i32 or u32, any L) to the last hidden state `[B, L, dModel]` in f32, padding included. Parameters are named
 * as in transformers; the embedding is `shared.weight`.
 */
export function t5Encoder(p: Params, config: T5Sizes) {
  const { dModel: width, layerNormEpsilon: eps } = config;
  const tokens = embedding(p.at("shared"), config.vocabSize, width);
  const encoder = p.at("encoder");
  const bias = relativeBias(encoder.at("block.0.layer.0.SelfAttention.relative_attention_bias"), config);
  const blocks = Array.from({ length: config.numLayers }, (_, i) => t5Block(encoder.at(`block.${i}`), config));
  const norm = rmsNorm(encoder.at("final_layer_norm"), width, { eps });

  return (ids: Tensor, { mask }: T5Options = {}): Tensor => {
    if (ids.rank !== 2) throw new OpError("t5Encoder", `ids are ${show(ids.shape)}, expected [batch, tokens]`);
    const [batch, length] = ids.shape;
    if (length < 1) throw new OpError("t5Encoder", `ids are ${show(ids.shape)}: a text has at least one token`);
    if (mask && show(mask.shape) !== show(ids.shape)) {
      throw new OpError("t5Encoder", `the mask is ${show(mask.shape)} and the ids are ${show(ids.shape)}: they must be alike`);
    }
    // One for all layers: [1 or B, heads, L, L]
    const everywhere = bias(length, ids);
    const scores = mask ? where(notEqual(reshape(mask, [batch, 1, 1, length]), 0), everywhere, lowest) : everywhere;
    return norm(blocks.reduce((x, block) => block(x, scores), tokens(ids)));
  };
}

/** One pre-norm layer: `x [B, L, width]` to the same, with `bias [1 or B, heads, L, L]` on the scores. */
function t5Block(p: Params, config: T5Sizes) {
  const { dModel: width, layerNormEpsilon: eps } = config;
  const norm1 = rmsNorm(p.at("layer.0.layer_norm"), width, { eps });
  const attend = selfAttention(p.at("layer.0.SelfAttention"), config);
  const norm2 = rmsNorm(p.at("layer.1.layer_norm"), width, { eps });
  const forward = feedForward(p.at("layer.1.DenseReluDense"), config);
  return (x: Tensor, bias: Tensor): Tensor => {
    const h = add(x, attend(norm1(x), bias));
    return add(h, forward(norm2(h)));
  };
}

function selfAttention(p: Params, { dModel: width, dKv, numHeads: heads }: T5Sizes) {
  const inner = heads * dKv;
  const toQ = linear(p.at("q"), width, inner, { bias: false });
  const toK = linear(p.at("k"), width, inner, { bias: false });
  const toV = linear(p.at("v"), width, inner, { bias: false });
  const toOut = linear(p.at("o"), inner, width, { bias: false });
  return (x: Tensor, bias: Tensor): Tensor => {
    const [q, k, v] = [toQ, toK, toV].map((to) => splitHeads(to(x), heads));
    // No division by √d: T5 has that factor in its initial weights.
    return toOut(mergeHeads(attention(q, k, v, { mask: bias, scale: 1 })));
  };
}

function feedForward(p: Params, { dModel: width, dFf: inner, denseActFn, isGatedAct }: T5Sizes) {
  const activation = activations[denseActFn];
  const wo = linear(p.at("wo"), inner, width, { bias: false });
  if (!isGatedAct) {
    const wi = linear(p.at("wi"), width, inner, { bias: false });
    return (x: Tensor): Tensor => wo(activation(wi(x)));
  }
  const gate = linear(p.at("wi_0"), width, inner, { bias: false });
  const value = linear(p.at("wi_1"), width, inner, { bias: false });
  return (x: Tensor): Tensor => wo(mul(activation(gate(x)), value(x)));
}
