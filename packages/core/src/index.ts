import "./methods.ts";

// Tensors and where they live.
export { arange, empty, fromData, type Nested, tensor } from "./create.ts";
export { type ArrayOf, arrays, bytesOf, convert, type DType, isFloat, promote, type TypedArray, toNumbers } from "./dtype.ts";
export { bf16ToF32, f16ToF32, f32ToF16, fromHalf, toHalf } from "./half.ts";
export { sameShape, type Shape, show, sizeOf, stridesOf } from "./shape.ts";
export { apply, applyAll, isTensor, keep, Tensor } from "./tensor.ts";
export { leaves, mapTree, type Tree } from "./tree.ts";
export { cpu, createCpu } from "./cpu.ts";
export { createDryDevice, type DryDevice, type DryOptions, type DryPlan } from "./dry.ts";
export { type Cost, estimate, type SpecsOf, type TensorSpec } from "./estimate.ts";
export { defaultDevice, useDevice } from "./ops/full.ts";

// Running, and letting go.
export { copyTo, data, item, type RealizeOptions, realize } from "./realize.ts";
export { scope, tidy } from "./scope.ts";
export { Scope } from "./scope-stack.ts";

// Programs that are recorded once and run many times.
export { type Captured, type CaptureOptions, capture } from "./capture/capture.ts";

// Errors.
export { DeviceLostError, invariant, OpError, OutOfMemoryError, SnoopiError } from "./error.ts";

// Gradients.
export { grad, type PullbackOf, valueAndGrad, valueAndGradients, vjp } from "./grad.ts";
export { type GradientTape, gradientTape } from "./backward.ts";
export { jvp } from "./jvp.ts";
export { checkpoint } from "./checkpoint.ts";
export { type CustomVjp, customVjp, stopGradient } from "./custom-vjp.ts";
export { type Surrounding, surrounding } from "./surroundings.ts";
export { noGrad } from "./tape.ts";

// Ops: elementwise.
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
export { erf, gelu, quickGelu, relu, sigmoid, silu, tanh } from "./ops/activation.ts";
export { equal, greater, greaterEqual, less, lessEqual, logicalNot, notEqual, where } from "./ops/compare.ts";
export { cast } from "./ops/cast.ts";
export type { Like } from "./ops/elementwise.ts";

// Ops: reductions.
export { broadcastTo, type ReduceOptions, sum, sumTo } from "./ops/sum.ts";
export { amax, amin } from "./ops/extremum.ts";
export { mean, type VarianceOptions, variance } from "./ops/mean.ts";
export { softmax } from "./ops/softmax.ts";

// Ops: movement.
export { alias, permute, reshape, transpose } from "./ops/movement.ts";
export { chunk, pad, type Range, slice } from "./ops/slice.ts";
export { concat, stack } from "./ops/concat.ts";
export { embedding, scatterAdd } from "./ops/gather.ts";
export { type ResizeMode, resize, tapOf } from "./ops/resize.ts";

// Ops: networks.
export { linear, matmul } from "./ops/matmul.ts";
export { type Conv2dOptions, conv2d, type Window } from "./ops/conv2d.ts";
export { type AttentionOptions, attention } from "./ops/attention.ts";
export { geglu } from "./ops/geglu.ts";
export { type GroupNormOptions, groupNorm, layerNorm } from "./ops/norm.ts";

// Ops: making tensors.
export { full, type On, ones, zeros } from "./ops/full.ts";
export { normal, type RandomOptions, uniform } from "./ops/random.ts";

// Random numbers on the host.
export { type TorchGenerator, torchGenerator } from "./random/torch-generator.ts";
export { foldIn, keyFromSeed, split } from "./random/key.ts";
export { counterOf, type FillOptions, fillBits, fillNormal, fillUniform, uniformFrom } from "./random/draws.ts";
export { normalPair } from "./random/normal-pair.ts";
export { type Key, philox, type Words } from "./random/philox.ts";

// For backends and for those who write ops.
export { type AttrsOf, elementwiseOps, type KernelOpName, kernelOps, type OpName, ops, viewOps } from "./ops/index.ts";
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
export { checkOptions, type NamesOf } from "./options.ts";
export { costOf, type Device, type MemoryReport, type Operand, type Placement } from "./device.ts";
export type { Expression, Term } from "./fuse.ts";
export { collapsed, dense, expanded, isDense, type Layout, walk } from "./layout.ts";
export { type Node, type Origin, Storage } from "./node.ts";
export { numbers, type Scalar } from "./scalar.ts";
