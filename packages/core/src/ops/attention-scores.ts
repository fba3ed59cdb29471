import { arange } from "../create.ts";
import { placesOf } from "../layout.ts";
import type { Value } from "../op.ts";
import { sizeOf } from "../shape.ts";
import { noGrad } from "../tape.ts";
import type { Tensor } from "../tensor.ts";
import { add, div, exp, mul, sub } from "./arithmetic.ts";
import { equal, lessEqual, where } from "./compare.ts";
import { amax } from "./extremum.ts";
import { matmul } from "./matmul.ts";
import { reshape, transpose } from "./movement.ts";
import { sum } from "./sum.ts";

/** How scores are made of queries and keys. */
export interface Scoring {
  readonly scale: number;
  readonly causal: boolean;
}

/** Calls `visit` for every query of every head with its scores, −∞ where it may not look. They are overwritten by the next. */
export function eachQuery(
  [q, k, mask]: readonly [q: Value, k: Value, mask: Value | undefined],
  { scale, causal }: Scoring,
  visit: (row: number, head: number, scores: Float64Array) => void,
): void {
  const [b, h, lq, d] = q.shape;
  const lk = k.shape[2];
  const masks = mask && placesOf(mask.shape, [b, h, lq, lk]);
  const scores = new Float64Array(lk);
  for (let row = 0; row < b * h * lq; row++) {
    const head = Math.floor(row / lq);
    for (let j = 0; j < lk; j++) {
      let score = 0;
      for (let c = 0; c < d; c++) score += q.data[row * d + c] * k.data[(head * lk + j) * d + c];
      scores[j] = score * scale;
      const m = mask && masks ? mask.data[masks[row * lk + j]] : 0;
      if (mask) scores[j] = mask.dtype !== "bool" ? scores[j] + m : m ? scores[j] : Number.NEGATIVE_INFINITY;
      if (causal && j > row % lq) scores[j] = Number.NEGATIVE_INFINITY;
    }
    visit(row, head, scores);
  }
}

/** The attention weights `[B, H, Lq, Lk]`, by ops. */
export function probabilities(q: Tensor, k: Tensor, mask: Tensor | undefined, { scale, causal }: Scoring): Tensor {
  let scores = mul(matmul(q, transpose(k)), scale);
  if (mask) scores = mask.dtype === "bool" ? where(mask, scores, Number.NEGATIVE_INFINITY) : add(scores, mask);
  if (causal) scores = where(lowerTriangle(q, k), scores, Number.NEGATIVE_INFINITY);
  if (sizeOf(scores.shape) === 0) return scores;
  // The shift cancels, so it has no gradient.
  const max = noGrad(() => amax(scores, { axis: -1, keepdims: true }));
  const shifted = exp(sub(scores, where(equal(max, Number.NEGATIVE_INFINITY), 0, max)));
  const total = sum(shifted, { axis: -1, keepdims: true });
  // Not 1/total masked afterwards: its derivative would be 0 · ∞.
  return div(shifted, where(equal(total, 0), 1, total));
}

/** Whether query i may look at key j: j ≤ i. */
function lowerTriangle(q: Tensor, k: Tensor): Tensor {
  const on = { device: q.device };
  return lessEqual(arange(k.shape[2], on), reshape(arange(q.shape[2], on), [-1, 1]));
}
