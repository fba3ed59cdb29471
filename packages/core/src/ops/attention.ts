import { arange } from "../create.ts";
import { isFloat, promote } from "../dtype.ts";
import { OpError } from "../error.ts";
import { placesOf } from "../layout.ts";
import type { Op, Spec } from "../op.ts";
import { broadcast, sameShape, show, sizeOf } from "../shape.ts";
import { noGrad } from "../tape.ts";
import { apply, type Tensor } from "../tensor.ts";
import { add, div, exp, mul, sub } from "./arithmetic.ts";
import { greater, lessEqual, where } from "./compare.ts";
import { unbroadcast } from "./elementwise.ts";
import { amax } from "./extremum.ts";
import { matmul } from "./matmul.ts";
import { reshape, transpose } from "./movement.ts";
import { sum } from "./sum.ts";

export interface Attention {
  readonly scale: number;
  readonly causal: boolean;
}

/**
 * Inputs q `[B, H, Lq, D]`, k `[B, H, Lk, D]`, v `[B, H, Lk, D]` and, optionally, a mask that broadcasts to `[B, H, Lq, Lk]`: added
 * to the scores when it is a float, and excluding where it is false when it is boolean. A query that may look at nothing gets zeros.
 */
export const attentionOp: Op<Attention> = {
  name: "attention",
  infer([q, k, v, mask]: readonly Spec[]) {
    for (const [name, x] of [
      ["q", q],
      ["k", k],
      ["v", v],
    ] as const) {
      if (x.shape.length !== 4) throw new OpError("attention", `${name} is ${show(x.shape)}, expected [batch, heads, tokens, width]`);
      if (!isFloat(x.dtype)) throw new OpError("attention", `${name} is ${x.dtype}, expected floats`);
    }
    const [b, h, lq, d] = q.shape;
    const lk = k.shape[2];
    if (!sameShape(k.shape, [b, h, lk, d]))
      throw new OpError("attention", `k is ${show(k.shape)}, expected [${b}, ${h}, tokens, ${d}] to match q ${show(q.shape)}`);
    if (!sameShape(v.shape, k.shape)) throw new OpError("attention", `v is ${show(v.shape)} and k is ${show(k.shape)}: they must be alike`);
    if (mask && mask.dtype !== "bool" && !isFloat(mask.dtype))
      throw new OpError("attention", `the mask is ${mask.dtype}, expected bool or floats`);
    if (mask && (mask.shape.length > 4 || !sameShape(broadcast("attention", mask.shape, [b, h, lq, lk]), [b, h, lq, lk]))) {
      throw new OpError("attention", `the mask ${show(mask.shape)} does not stretch to ${show([b, h, lq, lk])}`);
    }
    return { shape: [b, h, lq, d], dtype: [q, k, v].map((x) => x.dtype).reduce(promote) };
  },
  reference([q, k, v, mask], { scale, causal }, out) {
    const [b, h, lq, d] = q.shape;
    const lk = k.shape[2];
    const masks = mask && placesOf(mask.shape, [b, h, lq, lk]);
    const scores = new Float64Array(lk);
    for (let head = 0; head < b * h; head++) {
      for (let i = 0; i < lq; i++) {
        const query = (head * lq + i) * d;
        let max = Number.NEGATIVE_INFINITY;
        for (let j = 0; j < lk; j++) {
          let score = 0;
          for (let c = 0; c < d; c++) score += q.data[query + c] * k.data[(head * lk + j) * d + c];
          scores[j] = score * scale;
          const m = mask && masks ? mask.data[masks[(head * lq + i) * lk + j]] : 0;
          if (mask) scores[j] = mask.dtype !== "bool" ? scores[j] + m : m ? scores[j] : Number.NEGATIVE_INFINITY;
          if (causal && j > i) scores[j] = Number.NEGATIVE_INFINITY;
          max = Math.max(max, scores[j]);
        }
        if (max === Number.NEGATIVE_INFINITY) max = 0;
        let total = 0;
        for (let j = 0; j < lk; j++) total += scores[j] = Math.exp(scores[j] - max);
        for (let c = 0; c < d; c++) {
          let value = 0;
          for (let j = 0; j < lk; j++) value += scores[j] * v.data[(head * lk + j) * d + c];
          out.data[query + c] = total > 0 ? value / total : 0;
        }
      }
    }
  },
  // From the decomposition: P = softmax(S), S = scale·qkᵀ + mask. dS = P ∘ (dP − Σ dP∘P).
  vjp(g, { inputs: [q, k, v, mask], attrs }) {
    const p = probabilities(q, k, mask, attrs);
    const dp = matmul(g, transpose(v));
    const ds = mul(p, sub(dp, sum(mul(dp, p), { axis: -1, keepdims: true })));
    const scaled = mul(ds, attrs.scale);
    return [
      matmul(scaled, k),
      matmul(transpose(scaled), q),
      matmul(transpose(p), g),
      ...(mask ? [isFloat(mask.dtype) ? unbroadcast(ds, mask.shape) : null] : []),
    ];
  },
  cost: ([q, k]) => 4 * sizeOf(q.shape) * k.shape[2],
};

/** The attention weights `[B, H, Lq, Lk]`, by ops. */
function probabilities(q: Tensor, k: Tensor, mask: Tensor | undefined, { scale, causal }: Attention): Tensor {
  let scores = mul(matmul(q, transpose(k)), scale);
  if (mask) scores = mask.dtype === "bool" ? where(mask, scores, Number.NEGATIVE_INFINITY) : add(scores, mask);
  if (causal) scores = where(lowerTriangle(q, k), scores, Number.NEGATIVE_INFINITY);
  // The shift cancels, so it has no gradient.
  const max = noGrad(() => amax(scores, { axis: -1, keepdims: true }));
  const shifted = exp(sub(scores, where(greater(max, Number.NEGATIVE_INFINITY), max, 0)));
  const total = sum(shifted, { axis: -1, keepdims: true });
  // Not 1/total with a zero chosen afterwards: its derivative would be 0 · ∞.
  return div(shifted, where(greater(total, 0), total, 1));
}

/** Whether query i may look at key j: j ≤ i. */
function lowerTriangle(q: Tensor, k: Tensor): Tensor {
  const on = { device: q.device };
  return lessEqual(arange(k.shape[2], on), reshape(arange(q.shape[2], on), [-1, 1]));
}

export interface AttentionOptions {
  readonly mask?: Tensor;
  /** Query `i` sees keys `0 … i` only. Default false. */
  readonly causal?: boolean;
  /** Default 1/√D. */
  readonly scale?: number;
}

/** Scaled dot-product attention `softmax(q kᵀ · scale + mask) v`; the scores are never stored. */
export function attention(q: Tensor, k: Tensor, v: Tensor, { mask, causal = false, scale }: AttentionOptions = {}): Tensor {
  const width = q.shape[q.rank - 1];
  return apply(attentionOp, mask ? [q, k, v, mask] : [q, k, v], { scale: scale ?? 1 / Math.sqrt(width), causal });
}
