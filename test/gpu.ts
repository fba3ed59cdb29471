import { type WebGpuDevice, webgpu } from "@snoopi/kernels/node";

/** The adapter all GPU tests share, or the reason there is none. In CI a missing adapter is a failure. */
export const gpu: { readonly device: WebGpuDevice } | { readonly device: undefined; readonly reason: string } = await webgpu().then(
  (device) => ({ device }),
  (error: Error) => {
    if (process.env.CI) throw error;
    return { device: undefined, reason: error.message };
  },
);
