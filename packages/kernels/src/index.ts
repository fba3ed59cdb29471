export type { WebGpuDevice } from "./backend.ts";
export { type WebGpuOptions, webgpu } from "./device.ts";
export type { Facts } from "./facts.ts";
export { WgslError } from "./compilation.ts";
export { footprint } from "./footprint.ts";
export { type Input, type Kernel, type Param, source } from "./kernel.ts";
export { philoxWgsl } from "./philox.ts";
export { webgpuPlan } from "./plan.ts";
export { type WgslLaunch, type WgslOp, wgslOp } from "./wgsl-op.ts";
