import {
  add,
  arange,
  broadcastTo,
  concat,
  conv2d,
  embedding as lookUp,
  matmul,
  OpError,
  permute,
  reshape,
  show,
  slice,
  type Tensor,
  tensor,
} from "@snoopi/core";
import { embedding, layerNorm } from "../layers.ts";
import type { Params } from "../params.ts";
import type { OpenClipSizes } from "./sizes.ts";
import { eps, tower } from "./tower.ts";

/**
 * CLIP in the layout of OpenCLIP's checkpoints, under their parameter names. Embeddings are `[B, embed]` and *not* of length 1.
 */
export function openClip(p: Params, sizes: OpenClipSizes) {
  return {
    image: imageTower(p.at("visual"), sizes),
    text: textTower(p, sizes),
    /** The logarithm of the inverse temperature. */
    logitScale: p.get("logit_scale", []),
  };
}

/** Pictures `[B, 3, S, S]`, normalised, to embeddings. */
function imageTower(p: Params, { embed, image, quickGelu }: OpenClipSizes) {
  const { size, patch, width } = image;
  const patches = (size / patch) ** 2;
  const cut = p.at("conv1").get("weight", [width, 3, patch, patch]);
  const classToken = p.get("class_embedding", [width]);
  const positions = p.get("positional_embedding", [patches + 1, width]);
  const before = layerNorm(p.at("ln_pre"), width, { eps });
  const run = tower(p.at("transformer"), image, { quickGelu, causal: false });
  const after = layerNorm(p.at("ln_post"), width, { eps });
  const project = p.get("proj", [width, embed]);

  return (x: Tensor): Tensor => {
    const [batch] = x.shape;
    if (show(x.shape) !== show([batch, 3, size, size])) {
      throw new OpError("openClip", `pictures are ${show(x.shape)}, expected [batch, 3, ${size}, ${size}]`);
    }
    const tokens = permute(reshape(conv2d(x, cut, { stride: patch }), [batch, width, patches]), [0, 2, 1]);
    const first = broadcastTo(reshape(classToken, [1, 1, width]), [batch, 1, width]);
    const h = run(before(add(concat([first, tokens], { axis: 1 }), positions)));
    return matmul(after(reshape(slice(h, [null, [0, 1]]), [batch, width])), project);
  };
}

/** `ids [B, L]` to embeddings, read where each text ends. Attention is causal, so how it is padded does not matter. */
function textTower(p: Params, { embed, text, quickGelu }: OpenClipSizes) {
  const { context, vocab, width } = text;
  const tokens = embedding(p.at("token_embedding"), vocab, width);
  const positions = embedding({ ...p, get: (_, shape) => p.get("positional_embedding", shape) }, context, width);
  const run = tower(p.at("transformer"), text, { quickGelu, causal: true });
  const after = layerNorm(p.at("ln_final"), width, { eps });
  const project = p.get("text_projection", [width, embed]);

  return (ids: Tensor, ends: readonly number[]): Tensor => {
    const [batch, length] = ids.shape;
    if (ids.rank !== 2 || length > context) {
      throw new OpError("openClip", `ids are ${show(ids.shape)}, expected [batch, at most ${context}]`);
    }
    if (ends.length !== batch || !ends.every((end) => Number.isInteger(end) && end >= 0 && end < length)) {
      throw new OpError("openClip", `the ends are ${show(ends)}, expected ${batch} positions from 0 to ${length - 1}`);
    }
    const { device } = ids;
    const h = run(add(tokens(ids), positions(arange(length, { dtype: "i32", device }))));
    const rows = tensor(
      Int32Array.from(ends, (end, i) => i * length + end),
      { device },
    );
    return matmul(after(lookUp(reshape(h, [-1, width]), rows)), project);
  };
}
