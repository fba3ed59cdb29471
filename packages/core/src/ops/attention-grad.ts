import { isFloat } from "../dtype.ts";
import { vjp } from "../grad.ts";
import type { Op, Pullback, Spec, Value } from "../op.ts";
import { sizeOf } from "../shape.ts";
import { type Differentiable, noGrad, recordOnTapes } from "../tape.ts";
import { apply, applyAll, extraOf, type Tensor } from "../tensor.ts";
import { mul, sub } from "./arithmetic.ts";
import { eachQuery, probabilities, type Scoring } from "./attention-scores.ts";
import { cast } from "./cast.ts";
import { concat } from "./concat.ts";
import { unbroadcast } from "./elementwise.ts";
import { matmul } from "./matmul.ts";
import { reshape, transpose } from "./movement.ts";
import { sum } from "./sum.ts";

// P = softmax(S), S = scale·qkᵀ + mask, o = Pv. Given the cotangent g of o: dP = gvᵀ, dS = P ∘ (dP − D) with D = Σ dP∘P = Σ g∘o along a
// row, and from it dq = scale·dS·k, dk = scale·dSᵀ·q, dv = Pᵀg (Dao, FlashAttention-2, §3.1). Devices recompute P, a tile at a time, from
// each row's largest score and the reciprocal of its sum. Log-sum-exp would hold both in one number, but lose the sum beside a largest
// score of 10⁴, or of −3·10³⁸ under a mask of finite numbers.

/** The type of what attention saves, and of gradients. */
const wide = ({ dtype }: Spec) => (dtype === "f64" ? "f64" : "f32");

/** What attention saves for every query: the largest score and 1/Σexp(score − largest), both 0 where it may attend to nothing. */
export const savedOf = (out: Spec): Spec => ({ shape: [2, ...out.shape.slice(0, 3)], dtype: wide(out) });

/**
 * Inputs q, k, v and g as `[B, H, L, D]`, the rows' `[3, B, H, Lq]` of largest score, reciprocal sum and Σ g∘o, and optionally the mask.
 * Gives dq. The rows are assumed to follow from the other inputs: the op is differentiated as a function of those alone.
 */
export const attentionGradQueryOp: Op<Scoring> = {
  name: "attentionGradQuery",
  infer: ([q]) => ({ shape: q.shape, dtype: wide(q) }),
  reference(inputs, attrs, out) {
    const [, k] = inputs;
    const [lk, d] = k.shape.slice(2);
    const sums = new Float64Array(out.data.length);
    eachPair(inputs, attrs, (row, head, _p, ds) => {
      for (let j = 0; j < lk; j++) for (let c = 0; c < d; c++) sums[row * d + c] += ds[j] * k.data[(head * lk + j) * d + c];
    });
    out.data.set(sums);
  },
  vjp: (h, ctx) =>
    throughOps(h, ctx, ({ q, k, v, g, mask }) => mul(matmul(dScores(probabilities(q, k, mask, ctx.attrs), v, g), k), ctx.attrs.scale)),
  cost: ([q, k]) => 6 * sizeOf(q.shape) * k.shape[2],
};

/** As {@link attentionGradQueryOp}: dk, and dv as a further result. */
export const attentionGradKeyValueOp: Op<Scoring> = {
  name: "attentionGradKeyValue",
  infer: ([, k]) => ({ shape: k.shape, dtype: wide(k) }),
  extras: ([, k, v]) => [{ shape: v.shape, dtype: wide(k) }],
  reference(inputs, attrs, out, [value]) {
    const [q, k, , g] = inputs;
    const [lk, d] = k.shape.slice(2);
    const [dk, dv] = [new Float64Array(out.data.length), new Float64Array(out.data.length)];
    eachPair(inputs, attrs, (row, head, p, ds) => {
      for (let j = 0; j < lk; j++) {
        const at = (head * lk + j) * d;
        for (let c = 0; c < d; c++) {
          dk[at + c] += ds[j] * q.data[row * d + c];
          dv[at + c] += p[j] * g.data[row * d + c];
        }
      }
    });
    out.data.set(dk);
    value.data.set(dv);
  },
  vjp: (h, ctx) =>
    throughOps(h, ctx, ({ q, k, v, g, mask }) =>
      mul(matmul(transpose(dScores(probabilities(q, k, mask, ctx.attrs), v, g)), q), ctx.attrs.scale),
    ),
  cost: ([q, k]) => 8 * sizeOf(q.shape) * k.shape[2],
};

/** The derivative of the further result, dv. */
const gradValue: Differentiable = {
  name: "attentionGradKeyValue",
  vjp: (h, ctx: Pullback<Scoring>) => throughOps(h, ctx, ({ q, k, g, mask }) => matmul(transpose(probabilities(q, k, mask, ctx.attrs)), g)),
};

/** The cotangents of q, k and v and, where it has one, of the mask. What is not asked for never runs. */
export function attentionGrads(
  g: Tensor,
  { inputs: [q, k, v, mask], output, attrs: { saves, scale, causal } }: Pullback<Scoring & { readonly saves?: boolean }>,
): (Tensor | null)[] {
  const attrs = { scale, causal };
  const masked = mask !== undefined && isFloat(mask.dtype);
  const p = saves && !masked ? undefined : probabilities(q, k, mask, attrs);
  const ds = p && dScores(p, v, g);
  const maskGrads = mask ? [masked && ds ? unbroadcast(ds, mask.shape) : null] : [];
  if (!saves && p && ds) return [mul(matmul(ds, k), scale), mul(matmul(transpose(ds), q), scale), matmul(transpose(p), g), ...maskGrads];
  const rows = noGrad(() => {
    const saved = savedOf(output);
    const d = sum(mul(cast(g, saved.dtype), output), { axis: -1 });
    return concat([extraOf(output, 0, saved), reshape(d, [1, ...d.shape])]);
  });
  const all = [q, k, v, g, rows, ...(mask ? [mask] : [])];
  const [dk, dv] = applyAll(attentionGradKeyValueOp, all, attrs);
  recordOnTapes(gradValue, all, dv, attrs);
  return [apply(attentionGradQueryOp, all, attrs), dk, dv, ...maskGrads];
}

const dScores = (p: Tensor, v: Tensor, g: Tensor): Tensor => {
  const dp = matmul(g, transpose(v));
  return mul(p, sub(dp, sum(mul(dp, p), { axis: -1, keepdims: true })));
};

type Operands = Readonly<Record<"q" | "k" | "v" | "g", Tensor>> & { readonly mask: Tensor | undefined };

/** The gradient of ⟨h, expression⟩, where `expression` computes one of the results with ordinary ops. */
function throughOps(h: Tensor, { inputs }: Pullback<Scoring>, expression: (x: Operands) => Tensor): (Tensor | null)[] {
  const varies = inputs.map((x, i) => i !== 4 && isFloat(x.dtype));
  const put = (floats: readonly Tensor[]) => {
    let next = 0;
    return inputs.map((x, i) => (varies[i] ? floats[next++] : x));
  };
  const [, pull] = vjp(
    (floats: Tensor[]) => {
      const [q, k, v, g, , mask] = put(floats);
      return expression({ q, k, v, g, mask });
    },
    inputs.filter((_, i) => varies[i]),
  );
  const found = pull(h);
  let next = 0;
  return varies.map((float) => (float ? found[next++] : null));
}

/** Calls `visit` for every query with its weights P and its row of scale·dS. Both are overwritten by the next. */
function eachPair(
  [q, k, v, g, rows, mask]: readonly Value[],
  attrs: Scoring,
  visit: (row: number, head: number, p: Float64Array, ds: Float64Array) => void,
): void {
  const [lk, d] = k.shape.slice(2);
  const count = sizeOf(q.shape) / d;
  const ds = new Float64Array(lk);
  eachQuery([q, k, mask], attrs, (row, head, p) => {
    const [largest, inverse, mean] = [rows.data[row], rows.data[count + row], rows.data[2 * count + row]];
    for (let j = 0; j < lk; j++) {
      p[j] = Math.exp(p[j] - largest) * inverse;
      let dp = 0;
      for (let c = 0; c < d; c++) dp += g.data[row * d + c] * v.data[(head * lk + j) * d + c];
      ds[j] = p[j] * (dp - mean) * attrs.scale;
    }
    visit(row, head, p, ds);
  });
}
