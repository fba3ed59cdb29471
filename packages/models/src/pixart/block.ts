import { add, alias, cast, checkpoint, chunk, gelu, layerNorm, mapTree, mul, type Tensor } from "@snoopi/core";
import { type Attend, attentionLayer, type Context } from "../attention.ts";
import { linear } from "../layers.ts";
import type { Params } from "../params.ts";

/** What all blocks see besides their own input. */
export interface Surroundings {
  /** `[1 or B, 6, width]` */
  readonly modulation: Tensor;
  /** As cross-attention reads it. */
  readonly context: Context;
  readonly attend?: Attend | undefined;
  /** Whether the backward pass computes every block again from its inputs. */
  readonly checkpoint?: boolean | undefined;
}

export interface BlockSizes {
  readonly width: number;
  readonly heads: number;
  readonly contextWidth: number;
  readonly eps: number;
  /** Whether q, k and v have biases. */
  readonly bias: boolean;
}

/**
 * diffusers' `BasicTransformerBlock` with `ada_norm_single`: self-attention and an MLP, each on normed and modulated tokens and gated, and
 * between them cross-attention on the tokens as they are. `tokens [B, N, width] → [B, N, width]`
 */
export function pixartBlock(p: Params, { width, heads, contextWidth, eps, bias }: BlockSizes) {
  const table = p.get("scale_shift_table", [6, width]);
  const sizes = { width, heads, headWidth: width / heads, bias };
  const selfAttention = attentionLayer(p.at("attn1"), sizes);
  const crossAttention = attentionLayer(p.at("attn2"), { ...sizes, contextWidth });
  const open = linear(p.at("ff.net.0.proj"), width, 4 * width);
  const close = linear(p.at("ff.net.2"), 4 * width, width);
  const feedForward = (x: Tensor): Tensor => close(gelu(open(x), { approximate: "tanh" }));

  return thrifty((tokens, { modulation, context, attend }) => {
    const [shift1, scale1, gate1, shift2, scale2, gate2] = parts(table, modulation, tokens);
    let h = tokens;
    h = add(h, mul(gate1, selfAttention(modulated(h, { eps, shift: shift1, scale: scale1 }))));
    h = add(h, crossAttention(h, context, attend));
    return add(h, mul(gate2, feedForward(modulated(h, { eps, shift: shift2, scale: scale2 }))));
  });
}

/** Rows of a table `[n, width]` plus what time adds, `[1 or B, n or 1, width]`: n tensors `[1 or B, 1, width]` of the tokens' type. */
export const parts = (table: Tensor, time: Tensor, { dtype }: Tensor): Tensor[] =>
  // Time is f32 and would promote all that follows.
  chunk(cast(add(table, time), dtype), table.shape[0], { axis: 1 });

/** Layer norm without weights of its own, then scaled and shifted. */
export const modulated = (x: Tensor, { eps, shift, scale }: { eps: number; shift: Tensor; scale: Tensor }): Tensor =>
  add(mul(layerNorm(x, { eps }), add(scale, 1)), shift);

type Block = (tokens: Tensor, around: Surroundings) => Tensor;

/**
 * Recomputed by the backward pass if that is asked for. All it reads is passed in, as the scope of the call may have ended by then. Inputs
 * get nodes of their own either way, so that cotangents are summed in the same order and gradients agree to the last bit.
 */
const thrifty =
  (block: Block): Block =>
  (tokens, { checkpoint: again, attend, ...around }) => {
    const run = (all: { tokens: Tensor; around: Omit<Surroundings, "attend"> }) => block(all.tokens, { ...all.around, attend });
    return again ? checkpoint(run)({ tokens, around }) : run(mapTree({ tokens, around }, alias));
  };
