import { add, attention, chunk, gelu, quickGelu, type Tensor } from "@snoopi/core";
import { mergeHeads, splitHeads } from "../attention.ts";
import { layerNorm, linear } from "../layers.ts";
import type { Params } from "../params.ts";
import type { TowerSizes } from "./sizes.ts";

export const eps = 1e-5;

export interface TowerOptions {
  readonly quickGelu: boolean;
  /** Whether a token sees only itself and those before it. */
  readonly causal: boolean;
}

/** A stack of pre-norm transformer layers over `[B, L, width]`, named as in OpenCLIP: `resblocks.N`. */
export function tower(p: Params, sizes: TowerSizes, options: TowerOptions) {
  const layers = Array.from({ length: sizes.layers }, (_, i) => residualBlock(p.at(`resblocks.${i}`), sizes, options));
  return (x: Tensor): Tensor => layers.reduce((h, layer) => layer(h), x);
}

function residualBlock(p: Params, { width, heads, inner }: TowerSizes, { quickGelu: quick, causal }: TowerOptions) {
  const norm1 = layerNorm(p.at("ln_1"), width, { eps });
  const toQkv = linear(joined(p.at("attn"), "in_proj"), width, 3 * width);
  const toOut = linear(p.at("attn.out_proj"), width, width);
  const norm2 = layerNorm(p.at("ln_2"), width, { eps });
  const [widen, narrow] = [linear(p.at("mlp.c_fc"), width, inner), linear(p.at("mlp.c_proj"), inner, width)];
  const activation = quick ? quickGelu : (x: Tensor) => gelu(x);
  return (x: Tensor): Tensor => {
    const [q, k, v] = chunk(toQkv(norm1(x)), 3, { axis: 2 }).map((part) => splitHeads(part, heads));
    const h = add(x, toOut(mergeHeads(attention(q, k, v, { causal }))));
    return add(h, narrow(activation(widen(norm2(h)))));
  };
}

/** PyTorch's attention keeps its three projections as one, `in_proj_weight` and `in_proj_bias`: names with an underscore for the dot. */
const joined = (p: Params, prefix: string): Params => ({ ...p, get: (name, shape) => p.get(`${prefix}_${name}`, shape) });
