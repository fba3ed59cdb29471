import { isFloat } from "../dtype.ts";
import { OpError } from "../error.ts";
import type { Op, Spec, Value } from "../op.ts";
import { checkOptions, type NamesOf } from "../options.ts";
import { sameShape, show, sizeOf } from "../shape.ts";
import { apply, type Tensor } from "../tensor.ts";
import { groupNormGrads, layerNormGrads } from "./norm-grad.ts";

export interface Norm {
  readonly eps: number;
}

export interface GroupNorm extends Norm {
  readonly groups: number;
}

/** Inputs `x [B, C, ...]` and, optionally together, weight `[C]` and bias `[C]`. */
export const groupNormOp: Op<GroupNorm> = {
  name: "groupNorm",
  infer([x, weight, bias], { groups, eps }) {
    const c = x.shape[1];
    if (x.shape.length < 2) throw new OpError("groupNorm", `expected [batch, channels, ...], got ${show(x.shape)}`);
    if (!Number.isInteger(groups) || groups < 1 || c % groups !== 0)
      throw new OpError("groupNorm", `${c} channels do not divide into ${groups} groups`);
    checkAffine("groupNorm", x, weight, bias, c);
    checkEps("groupNorm", eps);
    return { shape: x.shape, dtype: x.dtype };
  },
  reference([x, weight, bias], { groups, eps }, out) {
    const [b, c] = x.shape;
    const inner = sizeOf(x.shape.slice(2));
    normalizeRows(x, out, b * groups, eps);
    if (weight) affine(out, (i) => Math.floor(i / inner) % c, weight, bias);
  },
  vjp: (g, { inputs: [x, weight], attrs }) => groupNormGrads(g, x, weight, attrs),
  cost: ([x]) => 8 * sizeOf(x.shape),
};

/** Inputs `x [..., D]` and, optionally together, weight `[D]` and bias `[D]`. */
export const layerNormOp: Op<Norm> = {
  name: "layerNorm",
  infer([x, weight, bias], { eps }) {
    if (x.shape.length < 1) throw new OpError("layerNorm", `expected at least one axis, got ${show(x.shape)}`);
    checkAffine("layerNorm", x, weight, bias, x.shape[x.shape.length - 1]);
    checkEps("layerNorm", eps);
    return { shape: x.shape, dtype: x.dtype };
  },
  reference([x, weight, bias], { eps }, out) {
    const d = x.shape[x.shape.length - 1];
    normalizeRows(x, out, sizeOf(x.shape) / d, eps);
    if (weight) affine(out, (i) => i % d, weight, bias);
  },
  vjp: (g, { inputs: [x, weight], attrs: { eps } }) => layerNormGrads(g, x, weight, eps),
  cost: ([x]) => 8 * sizeOf(x.shape),
};

function checkAffine(op: string, x: Spec, weight: Spec | undefined, bias: Spec | undefined, width: number): void {
  if (!isFloat(x.dtype)) throw new OpError(op, `expected floats, got ${x.dtype}`, 'Cast it first with x.to("f32").');
  for (const [name, p] of [
    ["weight", weight],
    ["bias", bias],
  ] as const) {
    if (p && !sameShape(p.shape, [width]))
      throw new OpError(op, `the ${name} is ${show(p.shape)}, expected [${width}] for x ${show(x.shape)}`);
    if (p && !isFloat(p.dtype)) throw new OpError(op, `the ${name} is ${p.dtype}, expected floats`);
  }
}

function checkEps(op: string, eps: number): void {
  if (typeof eps !== "number" || !(eps >= 0)) throw new OpError(op, `eps is ${eps}, expected a number ≥ 0`);
}

/** Each of `rows` equal parts of `x`, shifted and scaled to mean 0 and variance 1. */
function normalizeRows(x: Value, out: Value, rows: number, eps: number): void {
  const n = x.data.length / rows;
  for (let row = 0; row < rows; row++) {
    const start = row * n;
    let total = 0;
    for (let i = 0; i < n; i++) total += x.data[start + i];
    const centre = total / n;
    let spread = 0;
    for (let i = 0; i < n; i++) spread += (x.data[start + i] - centre) ** 2;
    const scale = 1 / Math.sqrt(spread / n + eps);
    for (let i = 0; i < n; i++) out.data[start + i] = (x.data[start + i] - centre) * scale;
  }
}

function affine(out: Value, channel: (i: number) => number, weight: Value, bias: Value): void {
  for (let i = 0; i < out.data.length; i++) {
    const c = channel(i);
    out.data[i] = out.data[i] * weight.data[c] + bias.data[c];
  }
}

export interface Affine {
  readonly weight: Tensor;
  readonly bias: Tensor;
}

export interface GroupNormOptions extends Partial<Affine> {
  /** Default 1e-5, as in PyTorch. */
  readonly eps?: number;
}

const normNames: NamesOf<GroupNormOptions> = { weight: true, bias: true, eps: true };

const withAffine = (op: string, x: Tensor, { weight, bias }: Partial<Affine>): Tensor[] => {
  if (!weight !== !bias)
    throw new OpError(op, `a ${weight ? "weight" : "bias"} was given without a ${weight ? "bias" : "weight"}`, "Give both or neither.");
  return weight && bias ? [x, weight, bias] : [x];
};

/** Normalises each of `groups` groups of channels of `x [B, C, ...]` over itself and the trailing axes, then `· weight + bias` per channel. */
export function groupNorm(x: Tensor, groups: number, options: GroupNormOptions = {}): Tensor {
  const { eps = 1e-5, ...affine } = checkOptions("groupNorm", options, normNames);
  return apply(groupNormOp, withAffine("groupNorm", x, affine), { groups, eps });
}

/** Normalises `x [..., D]` over its last axis, then `· weight + bias`. */
export function layerNorm(x: Tensor, options: GroupNormOptions = {}): Tensor {
  const { eps = 1e-5, ...affine } = checkOptions("layerNorm", options, normNames);
  return apply(layerNormOp, withAffine("layerNorm", x, affine), { eps });
}
