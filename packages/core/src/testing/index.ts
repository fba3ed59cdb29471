// Proofs for whoever writes an op: gradients against finite differences, kernels against the reference. Needs fast-check.

export { arbBroadcast, arbShape, arbTensor, type ShapeConstraints, type TensorConstraints } from "./arbitrary.ts";
export { bound, type ElementBound, elementwiseBound, linearBound } from "./bound.ts";
export { checkGrads, type GradCheckOptions } from "./check-grads.ts";
export { checkKernel, type KernelCheckOptions, type KernelInput } from "./check-kernel.ts";
export { expectNoLeaks } from "./leaks.ts";
export { scattered } from "./scattered.ts";
