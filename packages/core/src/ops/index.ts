import type { AnyOp, Elementwise, Op, ViewOp } from "../op.ts";
import * as activation from "./activation.ts";
import * as arithmetic from "./arithmetic.ts";
import { attentionOp } from "./attention.ts";
import { attentionGradKeyValueOp, attentionGradQueryOp } from "./attention-grad.ts";
import { castOp } from "./cast.ts";
import * as compare from "./compare.ts";
import { concatOp } from "./concat.ts";
import { conv2dInputGradOp, conv2dOp, conv2dWeightGradOp } from "./conv2d.ts";
import { amaxOp } from "./extremum.ts";
import { fullOp } from "./full.ts";
import { embeddingOp, scatterAddOp } from "./gather.ts";
import { gegluGradOp, gegluOp } from "./geglu.ts";
import { matmulOp } from "./matmul.ts";
import { aliasOp, permuteOp, reshapeOp } from "./movement.ts";
import { groupNormOp, layerNormOp } from "./norm.ts";
import { groupNormGradOp, groupNormSumsOp, layerNormAffineGradOp, layerNormGradOp, momentsOp } from "./norm-grad.ts";
import { randomOp } from "./random.ts";
import { resizeGradOp, resizeOp } from "./resize.ts";
import { padOp, sliceOp } from "./slice.ts";
import { softmaxGradOp, softmaxOp } from "./softmax.ts";
import { broadcastToOp, sumOp } from "./sum.ts";

const { add, sub, mul, div, pow, neg, abs, sign, floor, exp, log, sqrt, rsqrt, square, sin, cos, minimum, maximum } = arithmetic;
const { tanh, erf, sigmoid, relu, silu, quickGelu, gelu } = activation;
const { less, lessEqual, greater, greaterEqual, equal, notEqual, logicalNot, whereOp } = compare;

/** One formula each: every device evaluates all of them, fused, by the same code. */
export const elementwiseOps = {
  add: add.op,
  sub: sub.op,
  mul: mul.op,
  div: div.op,
  pow: pow.op,
  neg: neg.op,
  abs: abs.op,
  sign: sign.op,
  floor: floor.op,
  exp: exp.op,
  log: log.op,
  sqrt: sqrt.op,
  rsqrt: rsqrt.op,
  square: square.op,
  sin: sin.op,
  cos: cos.op,
  minimum: minimum.op,
  maximum: maximum.op,
  tanh: tanh.op,
  erf: erf.op,
  sigmoid: sigmoid.op,
  relu: relu.op,
  silu: silu.op,
  quickGelu: quickGelu.op,
  gelu: gelu.op,
  geluTanh: gelu.tanhOp,
  less: less.op,
  lessEqual: lessEqual.op,
  greater: greater.op,
  greaterEqual: greaterEqual.op,
  equal: equal.op,
  notEqual: notEqual.op,
  logicalNot: logicalNot.op,
  where: whereOp,
  cast: castOp,
} satisfies Record<string, Elementwise<any>>;

/** Views: no computation anywhere. */
export const viewOps = {
  reshape: reshapeOp,
  permute: permuteOp,
  broadcastTo: broadcastToOp,
  slice: sliceOp,
  alias: aliasOp,
} satisfies Record<string, ViewOp<any>>;

/** Everything else: each needs a kernel of its own on every device. */
export const kernelOps = {
  sum: sumOp,
  amax: amaxOp,
  softmax: softmaxOp,
  softmaxGrad: softmaxGradOp,
  matmul: matmulOp,
  attention: attentionOp,
  attentionGradQuery: attentionGradQueryOp,
  attentionGradKeyValue: attentionGradKeyValueOp,
  groupNorm: groupNormOp,
  layerNorm: layerNormOp,
  moments: momentsOp,
  groupNormSums: groupNormSumsOp,
  groupNormGrad: groupNormGradOp,
  layerNormGrad: layerNormGradOp,
  layerNormAffineGrad: layerNormAffineGradOp,
  conv2d: conv2dOp,
  conv2dInputGrad: conv2dInputGradOp,
  conv2dWeightGrad: conv2dWeightGradOp,
  resize: resizeOp,
  resizeGrad: resizeGradOp,
  geglu: gegluOp,
  gegluGrad: gegluGradOp,
  embedding: embeddingOp,
  scatterAdd: scatterAddOp,
  concat: concatOp,
  pad: padOp,
  random: randomOp,
} satisfies Record<string, Op<any>>;

/** Every op, once. Kernels and samples are checked against this table. */
export const ops = { ...elementwiseOps, ...viewOps, ...kernelOps, full: fullOp } satisfies Record<string, AnyOp>;

export type OpName = keyof typeof ops;
export type KernelOpName = keyof typeof kernelOps;
export type AttrsOf<K extends OpName> = (typeof ops)[K] extends { infer(inputs: any, attrs: infer A): any } ? A : never;
