import { abs, broadcastTo, concat, maximum, minimum, reshape, sum, type Tensor, where, zeros } from "@snoopi/core";
import type { CrossAttention, KeysValues } from "@snoopi/models";

/** L1 norm of each token over heads and channels, `[B, H, Lq, d] → [B, 1, Lq, 1]`: NAG's norm, taken after the merge of heads. */
export const tokenNorm = (z: Tensor): Tensor => sum(abs(z), { axis: [1, 3], keepdims: true });

/** Scales each token of `z` down to at most `tau` times the norm of the same token of `like` (NAG's R and clamp). */
export function clampNorm(z: Tensor, like: Tensor, tau: number): Tensor {
  // Clamped from below as in NAG's code: a token of zeros has no direction to scale.
  const ratio = maximum(tokenNorm(z).div(maximum(tokenNorm(like), 1e-6)), 1e-6);
  return z.mul(minimum(ratio, tau).div(ratio));
}

/** NAG from the two attentions: `Z̃ = Z₊ + φ(Z₊ − Z₋)`, its norm clamped to `τ`, then `a·Ẑ + (1 − a)·Z₊`. Written as a step away from Z₊. */
export function nagCombine(positive: Tensor, away: Tensor, { phi, tau, a }: { phi: number | Tensor; tau: number; a: number }): Tensor {
  const extrapolated = positive.add(positive.sub(away).mul(phi));
  return positive.add(clampNorm(extrapolated, positive, tau).sub(positive).mul(a));
}

/** VSF's cross-attention: one softmax over both texts, the negative's scores lowered by β and its values multiplied by −α. */
export function vsfAttend(
  q: Tensor,
  layer: CrossAttention,
  { towards, away, alpha, beta }: { towards: KeysValues; away: KeysValues; alpha: number | Tensor; beta: number },
): Tensor {
  const turned = away.v.mul(alpha).neg();
  const batch = Math.max(towards.k.shape[0], turned.shape[0]);
  const wide = (t: Tensor) => broadcastTo(t, [batch, ...t.shape.slice(1)]);
  const join = (one: Tensor, other: Tensor) => concat([wide(one), wide(other)], { axis: 2 });
  const biases = [biasOf(towards, q), biasOf(away, q).sub(beta)];
  const lead = [0, 1, 2].map((axis) => Math.max(...biases.map((bias) => bias.shape[axis])));
  const mask = concat(
    biases.map((bias) => broadcastTo(bias, [...lead, bias.shape[3]])),
    { axis: 3 },
  );
  return layer.attend(q, { k: join(towards.k, away.k), v: join(towards.v, turned), mask });
}

/** A mask as a bias to add to scores, with four axes: 0 and −∞ for a boolean mask. */
function biasOf({ k, mask }: KeysValues, q: Tensor): Tensor {
  const on = { device: q.device, dtype: q.dtype };
  if (!mask) return zeros([1, 1, 1, k.shape[2]], on);
  const shape = [...new Array<number>(4 - mask.rank).fill(1), ...mask.shape];
  const four = broadcastTo(reshape(mask, shape), [...shape.slice(0, 3), k.shape[2]]);
  return four.dtype === "bool" ? where(four, zeros([1], on), Number.NEGATIVE_INFINITY) : four;
}
