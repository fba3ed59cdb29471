// Tensors and where they live.
import "./methods.ts";

export { cpu, createCpu } from "./cpu.ts";
export { arange, empty, fromData, type Nested, tensor } from "./create.ts";
export { costOf, type Device, type MemoryReport, type Operand } from "./device.ts";
export { createDryDevice, type DryDevice, type DryOptions } from "./dry.ts";
export { type ArrayOf, bytesOf, convert, type DType, isFloat, promote, type TypedArray, toNumbers } from "./dtype.ts";
export { DeviceLostError, invariant, OpError, OutOfMemoryError, SnoopiError } from "./error.ts";
// For backends and for those who write ops.
export type { Expression, Term } from "./fuse.ts";
// Gradients.
export { grad, type PullbackOf, valueAndGrad, vjp } from "./grad.ts";
export { bf16ToF32, f16ToF32, f32ToF16, fromHalf, toHalf } from "./half.ts";
export { collapsed, dense, expanded, isDense, type Layout, walk } from "./layout.ts";
export { Storage } from "./node.ts";
export {
  type AnyOp,
  type Elementwise,
  isConstant,
  isElementwise,
  isView,
  type Op,
  type Pullback,
  type Spec,
  type Value,
  type ViewOp,
} from "./op.ts";
// Ops.
export { erf, gelu, quickGelu, relu, sigmoid, silu, tanh } from "./ops/activation.ts";
export {
  abs,
  add,
  clamp,
  cos,
  div,
  exp,
  floor,
  log,
  maximum,
  minimum,
  mul,
  neg,
  pow,
  rsqrt,
  sign,
  sin,
  sqrt,
  square,
  sub,
} from "./ops/arithmetic.ts";
export { type AttentionOptions, attention } from "./ops/attention.ts";
export { cast } from "./ops/cast.ts";
export { equal, greater, greaterEqual, less, lessEqual, logicalNot, notEqual, where } from "./ops/compare.ts";
export { concat, stack } from "./ops/concat.ts";
export { type Conv2dOptions, conv2d, type Window } from "./ops/conv2d.ts";
export type { Like } from "./ops/elementwise.ts";
export { amax, amin } from "./ops/extremum.ts";
export { defaultDevice, full, type On, ones, useDevice, zeros } from "./ops/full.ts";
export { embedding, scatterAdd } from "./ops/gather.ts";
export { type AttrsOf, elementwiseOps, type KernelOpName, kernelOps, type OpName, ops, viewOps } from "./ops/index.ts";
export { linear, matmul } from "./ops/matmul.ts";
export { mean, type VarianceOptions, variance } from "./ops/mean.ts";
export { alias, permute, reshape, transpose } from "./ops/movement.ts";
export { type GroupNormOptions, groupNorm, layerNorm } from "./ops/norm.ts";
export { normal, type RandomOptions, uniform } from "./ops/random.ts";
export { type ResizeMode, resize, tapOf } from "./ops/resize.ts";
export { chunk, pad, type Range, slice } from "./ops/slice.ts";
export { softmax } from "./ops/softmax.ts";
export { broadcastTo, type ReduceOptions, sum, sumTo } from "./ops/sum.ts";
// Random numbers.
export { counterOf, type FillOptions, fillBits, fillNormal, fillUniform, uniformFrom } from "./random/draws.ts";
export { foldIn, keyFromSeed, split } from "./random/key.ts";
export { normalPair } from "./random/normal-pair.ts";
export { type Key, philox, type Words } from "./random/philox.ts";
export { type TorchGenerator, torchGenerator } from "./random/torch-generator.ts";
export { copyTo, data, item, type RealizeOptions, realize } from "./realize.ts";
export { numbers, type Scalar } from "./scalar.ts";
export { scope, tidy } from "./scope.ts";
export { Scope } from "./scope-stack.ts";
export { type Shape, sameShape, show, sizeOf, stridesOf } from "./shape.ts";
export { noGrad } from "./tape.ts";
export { apply, isTensor, keep, Tensor } from "./tensor.ts";
export { leaves, mapTree, type Tree } from "./tree.ts";
