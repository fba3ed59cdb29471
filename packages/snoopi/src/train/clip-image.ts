import { add, attention, broadcastTo, concat, conv2d, permute, quickGelu, reshape, slice, type Tensor } from "@snoopi/core";
import { layerNorm, linear, mergeHeads, type Params, splitHeads } from "@snoopi/models";

export interface ClipImageSizes {
  readonly imageSize: number;
  readonly patchSize: number;
  readonly hiddenSize: number;
  readonly intermediateSize: number;
  readonly numHiddenLayers: number;
  readonly numAttentionHeads: number;
}

const eps = 1e-5;

/**
 * CLIP's image tower, transformers' `CLIPVisionTransformer` under its parameter names: pictures `[B, 3, S, S]` to the normalised state of the
 * class token, `[B, width]`.
 */
export function clipImage(p: Params, config: ClipImageSizes) {
  const { imageSize, patchSize, hiddenSize: width, numHiddenLayers } = config;
  const patches = (imageSize / patchSize) ** 2;
  const e = p.at("embeddings");
  const classToken = e.get("class_embedding", [width]);
  const patch = e.at("patch_embedding").get("weight", [width, 3, patchSize, patchSize]);
  const positions = e.at("position_embedding").get("weight", [patches + 1, width]);
  // The name is transformers'.
  const before = layerNorm(p.at("pre_layrnorm"), width, { eps });
  const layers = Array.from({ length: numHiddenLayers }, (_, i) => layer(p.at(`encoder.layers.${i}`), config));
  const after = layerNorm(p.at("post_layernorm"), width, { eps });

  return (x: Tensor): Tensor => {
    const [batch] = x.shape;
    const cut = reshape(conv2d(x, patch, { stride: patchSize }), [batch, width, patches]);
    const tokens = concat([broadcastTo(reshape(classToken, [1, 1, width]), [batch, 1, width]), permute(cut, [0, 2, 1])], { axis: 1 });
    const h = layers.reduce((state, run) => run(state), before(add(tokens, positions)));
    return after(reshape(slice(h, [null, [0, 1]]), [batch, width]));
  };
}

/** A pre-norm transformer layer in which every token sees all others. */
function layer(p: Params, { hiddenSize: width, intermediateSize: inner, numAttentionHeads: heads }: ClipImageSizes) {
  const norm1 = layerNorm(p.at("layer_norm1"), width, { eps });
  const [toQ, toK, toV, toOut] = ["q_proj", "k_proj", "v_proj", "out_proj"].map((name) => linear(p.at(`self_attn.${name}`), width, width));
  const norm2 = layerNorm(p.at("layer_norm2"), width, { eps });
  const [fc1, fc2] = [linear(p.at("mlp.fc1"), width, inner), linear(p.at("mlp.fc2"), inner, width)];
  return (x: Tensor): Tensor => {
    const normed = norm1(x);
    const [q, k, v] = [toQ, toK, toV].map((to) => splitHeads(to(normed), heads));
    const h = add(x, toOut(mergeHeads(attention(q, k, v))));
    return add(h, fc2(quickGelu(fc1(norm2(h)))));
  };
}
