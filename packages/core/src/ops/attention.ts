import { isFloat, promote } from "../dtype.ts";
import { OpError } from "../error.ts";
import type { Op, Spec } from "../op.ts";
import { checkOptions, type NamesOf } from "../options.ts";
import { broadcast, sameShape, show, sizeOf } from "../shape.ts";
import { isTracked } from "../tape.ts";
import { apply, type Tensor } from "../tensor.ts";
import { attentionGrads, savedOf } from "./attention-grad.ts";
import { eachQuery, type Scoring } from "./attention-scores.ts";

export interface Attention extends Scoring {
  /** Keeps a further result, two numbers per query, for the backward pass, which then need not store scores either. */
  readonly saves?: boolean;
}

/**
 * Inputs q `[B, H, Lq, D]`, k `[B, H, Lk, D]`, v `[B, H, Lk, D]` and, optionally, a mask that broadcasts to `[B, H, Lq, Lk]`: floats are
 * added to the scores, and false excludes a key. A query that may attend to nothing gets zeros.
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
  extras: (inputs, attrs) => (attrs.saves ? [savedOf(attentionOp.infer(inputs, attrs))] : []),
  reference([q, k, v, mask], attrs, out, [saved]) {
    const [b, h, lq, d] = q.shape;
    const lk = k.shape[2];
    eachQuery([q, k, mask], attrs, (row, head, scores) => {
      let max = scores.reduce((a, x) => Math.max(a, x), Number.NEGATIVE_INFINITY);
      if (max === Number.NEGATIVE_INFINITY) max = 0;
      // Zero where the query may attend to nothing, and NaN where a score is NaN.
      let total = 0;
      for (let j = 0; j < lk; j++) total += scores[j] = Math.exp(scores[j] - max);
      for (let c = 0; c < d; c++) {
        let value = 0;
        for (let j = 0; j < lk; j++) value += scores[j] * v.data[(head * lk + j) * d + c];
        out.data[row * d + c] = total === 0 ? 0 : value / total;
      }
      if (!saved) return;
      saved.data[row] = max;
      saved.data[b * h * lq + row] = total === 0 ? 0 : 1 / total;
    });
  },
  vjp: attentionGrads,
  cost: ([q, k]) => 4 * sizeOf(q.shape) * k.shape[2],
};

export interface AttentionOptions {
  readonly mask?: Tensor;
  /** Query `i` sees keys `0 … i` only. Default false. */
  readonly causal?: boolean;
  /** Default 1/√D. */
  readonly scale?: number;
}

const attentionNames: NamesOf<AttentionOptions> = { mask: true, causal: true, scale: true };

/** Scaled dot-product attention `softmax(q kᵀ · scale + mask) v`; the scores are never stored. */
export function attention(q: Tensor, k: Tensor, v: Tensor, options: AttentionOptions = {}): Tensor {
  const { mask, causal = false, scale } = checkOptions("attention", options, attentionNames);
  if (scale !== undefined && !Number.isFinite(scale)) throw new OpError("attention", `the scale is ${scale}, expected a finite number`);
  const width = q.shape[q.rank - 1];
  return apply(attentionOp, mask ? [q, k, v, mask] : [q, k, v], {
    scale: scale ?? 1 / Math.sqrt(width),
    causal,
    ...(isTracked([q, k, v]) && { saves: true }),
  });
}
