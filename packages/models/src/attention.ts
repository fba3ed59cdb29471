import { attention, broadcastTo, permute, reshape, type Tensor } from "@snoopi/core";
import { linear } from "./layers.ts";
import type { Params } from "./params.ts";

/** Tokens that queries look at: `[B, L, D]`, or `[1, L, D]` for a whole batch, and a mask that broadcasts to `[B, H, Lq, L]`. */
export interface Context {
  readonly tokens: Tensor;
  readonly mask?: Tensor;
}

/** A context as one layer sees it: k and v `[B, H, L, d]`. */
export interface KeysValues {
  readonly k: Tensor;
  readonly v: Tensor;
  readonly mask?: Tensor;
}

/** A cross-attention layer, as guidance meets it. */
export interface CrossAttention {
  /** The layer's place in the network, e.g. `mid_block.attentions.0.transformer_blocks.0.attn2`. */
  readonly path: string;
  /** Projects a context by the layer's own weights. */
  keysValues(context: Context): KeysValues;
  /** Scaled dot-product attention of `q [B, H, Lq, d]` → `[B, H, Lq, d]`. */
  attend(q: Tensor, kv: KeysValues): Tensor;
}

/** What a cross-attention layer does with its queries, before the output projection. Guidance methods replace it. */
export type Attend = (q: Tensor, context: Context, layer: CrossAttention) => Tensor;

/** Attention as trained. */
export const plain: Attend = (q, context, layer) => layer.attend(q, layer.keysValues(context));

export interface AttentionSizes {
  readonly width: number;
  readonly heads: number;
  /** Width of one head. */
  readonly headWidth: number;
  /** Width of the tokens attended to. Default `width`. */
  readonly contextWidth?: number;
  /** Whether q, k and v have biases. Default false; the output projection always has one. */
  readonly bias?: boolean;
}

/** `[B, L, H·d] → [B, H, L, d]`, a view */
export const splitHeads = (x: Tensor, heads: number): Tensor => permute(reshape(x, [x.shape[0], x.shape[1], heads, -1]), [0, 2, 1, 3]);

/** `[B, H, L, d] → [B, L, H·d]` */
export const mergeHeads = (x: Tensor): Tensor => reshape(permute(x, [0, 2, 1, 3]), [x.shape[0], x.shape[2], -1]);

/** Attention of `x [B, L, width]` to itself, or through `attend` to a context. Names as in diffusers: `to_q`, `to_k`, `to_v`, `to_out.0`. */
export function attentionLayer(p: Params, { width, heads, headWidth, contextWidth = width, bias = false }: AttentionSizes) {
  const inner = heads * headWidth;
  const toQ = linear(p.at("to_q"), width, inner, { bias });
  const toK = linear(p.at("to_k"), contextWidth, inner, { bias });
  const toV = linear(p.at("to_v"), contextWidth, inner, { bias });
  const toOut = linear(p.at("to_out.0"), inner, width);
  const layer: CrossAttention = {
    path: p.path,
    keysValues: ({ tokens, mask }) => ({ k: splitHeads(toK(tokens), heads), v: splitHeads(toV(tokens), heads), ...(mask && { mask }) }),
    attend: (q, { k, v, mask }) => attention(q, repeatBatch(k, q), repeatBatch(v, q), mask ? { mask } : {}),
  };
  return (x: Tensor, context?: Context, attend: Attend = plain): Tensor => {
    const q = splitHeads(toQ(x), heads);
    return toOut(mergeHeads(attend(q, context ?? { tokens: x }, layer)));
  };
}

/** One context for every image of a batch: a view. */
const repeatBatch = (x: Tensor, like: Tensor): Tensor => broadcastTo(x, [like.shape[0], ...x.shape.slice(1)]);
