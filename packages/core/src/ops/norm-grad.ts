import type { DType } from "../dtype.ts";
import { OpError } from "../error.ts";
import type { Op, Spec } from "../op.ts";
import { type Shape, sameShape, show, sizeOf } from "../shape.ts";
import { apply, type Tensor } from "../tensor.ts";
import { add, mul, rsqrt, square, sub } from "./arithmetic.ts";
import { cast } from "./cast.ts";
import { vjpOf } from "./composed.ts";
import { stack } from "./concat.ts";
import { mean } from "./mean.ts";
import { permute, reshape } from "./movement.ts";
import { slice } from "./slice.ts";
import { sum } from "./sum.ts";

// The backward passes of groupNorm and layerNorm, in steps that several results share. With x̂ = (x − mean)/σ and γ the weight,
// dx = (γg − mean(γg) − x̂ · mean(γg x̂))/σ over each row that was normalised, dγ = Σ g x̂ and dβ = Σ g. Statistics are recomputed from x:
// that reads x twice, but saves nothing in the forward pass, which may never be differentiated.

/** Small results that feed further sums are never rounded to f16. */
const wide = (dtype: DType): DType => (dtype === "f16" ? "f32" : dtype);

/** `x [rows, n]` to `[rows, 2]`: the mean of each row and 1/√(variance + eps). */
export const momentsOp: Op<{ readonly eps: number }> = {
  name: "moments",
  infer([x]) {
    if (x.shape.length !== 2) throw new OpError("moments", `expected [rows, n], got ${show(x.shape)}`);
    return { shape: [x.shape[0], 2], dtype: wide(x.dtype) };
  },
  reference([x], { eps }, out) {
    const [rows, n] = x.shape;
    for (let row = 0; row < rows; row++) {
      let total = 0;
      for (let i = 0; i < n; i++) total += x.data[row * n + i];
      let spread = 0;
      for (let i = 0; i < n; i++) spread += (x.data[row * n + i] - total / n) ** 2;
      out.data[row * 2] = total / n;
      out.data[row * 2 + 1] = 1 / Math.sqrt(spread / n + eps);
    }
  },
  vjp: vjpOf(([narrow], { eps }) => {
    const x = cast(narrow, wide(narrow.dtype));
    const centre = mean(x, { axis: 1, keepdims: true });
    const spread = mean(square(sub(x, centre)), { axis: 1, keepdims: true });
    return stack([reshape(centre, [-1]), reshape(rsqrt(add(spread, eps)), [-1])], { axis: 1 });
  }),
  cost: ([x]) => 4 * sizeOf(x.shape),
};

export interface Groups {
  readonly groups: number;
}

/** From g and x `[B, C, ...]` and the moments of x's groups, `[B · groups, 2]`, to `[B, C, 2]`: Σ g and Σ g x̂ of each channel plane. */
export const groupNormSumsOp: Op<Groups> = {
  name: "groupNormSums",
  infer([g, x, moments], { groups }) {
    checkGrouped("groupNormSums", g, x, moments, groups);
    return { shape: [x.shape[0], x.shape[1], 2], dtype: wide(x.dtype) };
  },
  reference([g, x, moments], { groups }, out) {
    const [b, c] = x.shape;
    const inner = sizeOf(x.shape.slice(2));
    for (let plane = 0; plane < b * c; plane++) {
      const row = Math.floor((plane * groups) / c);
      const [centre, scale] = [moments.data[row * 2], moments.data[row * 2 + 1]];
      let [total, along] = [0, 0];
      for (let i = plane * inner; i < (plane + 1) * inner; i++) {
        total += g.data[i];
        along += g.data[i] * (x.data[i] - centre) * scale;
      }
      out.data[plane * 2] = total;
      out.data[plane * 2 + 1] = along;
    }
  },
  vjp: vjpOf(([g, x, moments], { groups }) => {
    const [b, c] = x.shape;
    const inner = sizeOf(x.shape.slice(2));
    const planes = (t: Tensor) => reshape(t, [b, groups, c / groups, inner]);
    const { xhat } = centred(planes(x), moments, [b, groups, 1, 1]);
    const total = (t: Tensor) => reshape(sum(t, { axis: 3 }), [b, c]);
    return stack([total(planes(g)), total(mul(planes(g), xhat))], { axis: 2 });
  }),
  cost: ([x]) => 5 * sizeOf(x.shape),
};

/** From g, x, the moments of x's groups, the result of {@link groupNormSumsOp} and, optionally, weight `[C]` to dx. */
export const groupNormGradOp: Op<Groups> = {
  name: "groupNormGrad",
  infer([g, x, moments, sums, weight], { groups }) {
    checkGrouped("groupNormGrad", g, x, moments, groups);
    const [b, c] = x.shape;
    if (!sameShape(sums.shape, [b, c, 2])) throw new OpError("groupNormGrad", `the sums are ${show(sums.shape)}, expected [${b}, ${c}, 2]`);
    checkWeight("groupNormGrad", weight, c);
    return { shape: x.shape, dtype: x.dtype };
  },
  reference([g, x, moments, sums, weight], { groups }, out) {
    const [b, c] = x.shape;
    const inner = sizeOf(x.shape.slice(2));
    const share = c / groups;
    const gain = (plane: number) => (weight ? weight.data[plane % c] : 1);
    for (let row = 0; row < b * groups; row++) {
      const [centre, scale] = [moments.data[row * 2], moments.data[row * 2 + 1]];
      let [total, along] = [0, 0];
      for (let plane = row * share; plane < (row + 1) * share; plane++) {
        total += (gain(plane) * sums.data[plane * 2]) / (share * inner);
        along += (gain(plane) * sums.data[plane * 2 + 1]) / (share * inner);
      }
      for (let i = row * share * inner; i < (row + 1) * share * inner; i++) {
        const xhat = (x.data[i] - centre) * scale;
        out.data[i] = scale * (gain(Math.floor(i / inner)) * g.data[i] - total - xhat * along);
      }
    }
  },
  vjp: vjpOf(([g, x, moments, sums, weight], { groups }) => {
    const [b, c] = x.shape;
    const inner = sizeOf(x.shape.slice(2));
    const planes = (t: Tensor) => reshape(t, [b, groups, c / groups, inner]);
    const { xhat, scale } = centred(planes(x), moments, [b, groups, 1, 1]);
    const gain = weight && reshape(weight, [1, groups, c / groups, 1]);
    const weighed = (t: Tensor) => (gain ? mul(t, gain) : t);
    const mean = (which: 0 | 1) => {
      const one = reshape(slice(sums, [null, null, [which, which + 1]]), [b, groups, c / groups, 1]);
      // Channels without elements do not read these means, but a factor of ∞ would make their empty gradient NaN.
      return mul(sum(weighed(one), { axis: 2, keepdims: true }), groups / Math.max(1, c * inner));
    };
    return reshape(mul(scale, sub(sub(weighed(planes(g)), mean(0)), mul(xhat, mean(1)))), x.shape);
  }),
  cost: ([x]) => 6 * sizeOf(x.shape),
};

/** From g and x `[..., D]`, the moments of x's rows, `[rows, 2]`, and, optionally, weight `[D]` to dx. */
export const layerNormGradOp: Op = {
  name: "layerNormGrad",
  infer([g, x, moments, weight]) {
    checkRows("layerNormGrad", g, x, moments);
    checkWeight("layerNormGrad", weight, x.shape[x.shape.length - 1]);
    return { shape: x.shape, dtype: x.dtype };
  },
  reference([g, x, moments, weight], _, out) {
    const d = x.shape[x.shape.length - 1];
    for (let row = 0; row < x.data.length / d; row++) {
      const [centre, scale] = [moments.data[row * 2], moments.data[row * 2 + 1]];
      const weighed = (i: number) => g.data[row * d + i] * (weight ? weight.data[i] : 1);
      const xhat = (i: number) => (x.data[row * d + i] - centre) * scale;
      let [total, along] = [0, 0];
      for (let i = 0; i < d; i++) {
        total += weighed(i) / d;
        along += (weighed(i) * xhat(i)) / d;
      }
      for (let i = 0; i < d; i++) out.data[row * d + i] = scale * (weighed(i) - total - xhat(i) * along);
    }
  },
  vjp: vjpOf(([g, x, moments, weight]) => {
    const over = { axis: -1, keepdims: true };
    const { xhat, scale } = centred(x, moments, [...x.shape.slice(0, -1), 1]);
    const weighed = weight ? mul(g, weight) : g;
    return mul(scale, sub(sub(weighed, mean(weighed, over)), mul(xhat, mean(mul(weighed, xhat), over))));
  }),
  cost: ([x]) => 12 * sizeOf(x.shape),
};

/** From g and x `[..., D]` and the moments of x's rows, `[rows, 2]`, to `[2, D]`: Σ g x̂ and Σ g over the rows, dγ and dβ. */
export const layerNormAffineGradOp: Op = {
  name: "layerNormAffineGrad",
  infer([g, x, moments]) {
    checkRows("layerNormAffineGrad", g, x, moments);
    return { shape: [2, x.shape[x.shape.length - 1]], dtype: wide(x.dtype) };
  },
  reference([g, x, moments], _, out) {
    const d = x.shape[x.shape.length - 1];
    const sums = new Float64Array(2 * d);
    for (let i = 0; i < x.data.length; i++) {
      const row = Math.floor(i / d);
      sums[i % d] += g.data[i] * (x.data[i] - moments.data[row * 2]) * moments.data[row * 2 + 1];
      sums[d + (i % d)] += g.data[i];
    }
    out.data.set(sums);
  },
  vjp: vjpOf(([g, x, moments]) => {
    const d = x.shape[x.rank - 1];
    const rows = (t: Tensor) => reshape(t, [sizeOf(x.shape.slice(0, -1)), d]);
    const { xhat } = centred(rows(x), moments, [moments.shape[0], 1]);
    return stack([sum(mul(rows(g), xhat), { axis: 0 }), sum(rows(g), { axis: 0 })]);
  }),
  cost: ([x]) => 5 * sizeOf(x.shape),
};

/** x̂ and 1/σ from the moments `[rows, 2]`, reshaped to `shape` to broadcast with x. */
function centred(x: Tensor, moments: Tensor, shape: Shape) {
  const [centre, scale] = [0, 1].map((i) => reshape(slice(moments, [null, [i, i + 1]]), shape));
  return { xhat: mul(sub(x, centre), scale), scale };
}

function checkGrouped(op: string, g: Spec, x: Spec, moments: Spec, groups: number): void {
  const [b, c] = x.shape;
  if (x.shape.length < 2 || c % groups !== 0)
    throw new OpError(op, `expected [batch, channels, ...] in ${groups} groups, got ${show(x.shape)}`);
  checkAlike(op, g, x);
  if (!sameShape(moments.shape, [b * groups, 2]))
    throw new OpError(op, `the moments are ${show(moments.shape)}, expected [${b * groups}, 2]`);
}

function checkRows(op: string, g: Spec, x: Spec, moments: Spec): void {
  if (x.shape.length < 1) throw new OpError(op, `expected at least one axis, got ${show(x.shape)}`);
  checkAlike(op, g, x);
  const rows = sizeOf(x.shape.slice(0, -1));
  if (!sameShape(moments.shape, [rows, 2])) throw new OpError(op, `the moments are ${show(moments.shape)}, expected [${rows}, 2]`);
}

function checkAlike(op: string, g: Spec, x: Spec): void {
  if (!sameShape(g.shape, x.shape)) throw new OpError(op, `the cotangent is ${show(g.shape)} and x ${show(x.shape)}: they must be alike`);
}

function checkWeight(op: string, weight: Spec | undefined, width: number): void {
  if (weight && !sameShape(weight.shape, [width])) throw new OpError(op, `the weight is ${show(weight.shape)}, expected [${width}]`);
}

/** Cotangents of x and, where there is a weight, of weight and bias. */
export function groupNormGrads(
  g: Tensor,
  x: Tensor,
  weight: Tensor | undefined,
  { groups, eps }: Groups & { readonly eps: number },
): Tensor[] {
  const [b, c] = x.shape;
  const moments = apply(momentsOp, [reshape(x, [b * groups, (c / groups) * sizeOf(x.shape.slice(2))])], { eps });
  const sums = apply(groupNormSumsOp, [g, x, moments], { groups });
  const dx = apply(groupNormGradOp, [g, x, moments, sums, ...(weight ? [weight] : [])], { groups });
  if (!weight) return [dx];
  const perChannel = sum(permute(sums, [2, 0, 1]), { axis: 1 });
  return [dx, row(perChannel, 1), row(perChannel, 0)];
}

/** As {@link groupNormGrads}. */
export function layerNormGrads(g: Tensor, x: Tensor, weight: Tensor | undefined, eps: number): Tensor[] {
  const moments = apply(momentsOp, [reshape(x, [sizeOf(x.shape.slice(0, -1)), x.shape[x.rank - 1]])], { eps });
  const dx = apply(layerNormGradOp, [g, x, moments, ...(weight ? [weight] : [])], undefined);
  if (!weight) return [dx];
  const affine = apply(layerNormAffineGradOp, [g, x, moments], undefined);
  return [dx, row(affine, 0), row(affine, 1)];
}

const row = (x: Tensor, i: number): Tensor => reshape(slice(x, [[i, i + 1]]), [x.shape[1]]);
