import { checkOptions, type NamesOf, SnoopiError } from "@snoopi/core";
import { type BackendOptions, createBackend, type WebGpuDevice } from "./backend.ts";
import type { Facts } from "./facts.ts";

export interface WebGpuOptions extends BackendOptions {
  /** Where to look for an adapter. Default `navigator.gpu`. */
  readonly gpu?: GPU;
  /** A device of your own, used as it is. */
  readonly device?: GPUDevice;
  readonly adapterInfo?: GPUAdapterInfo;
  /** Raise WebGPU's default limits (128 MiB a binding, 256 MiB a buffer) to what the adapter offers. Default true. */
  readonly raiseLimits?: boolean;
  /** Use subgroups where the adapter has them. Default true; false is for comparing kernels. */
  readonly subgroups?: boolean;
}

export const webGpuNames: NamesOf<WebGpuOptions> = {
  gpu: true,
  device: true,
  adapterInfo: true,
  raiseLimits: true,
  subgroups: true,
  wait: true,
  boundAnother: true,
  budgetBytes: true,
};

/** Opens the GPU as a device for tensors. Throws when there is no adapter. */
export async function webgpu(options: WebGpuOptions = {}): Promise<WebGpuDevice> {
  const { gpu, device, adapterInfo, raiseLimits = true, subgroups = true, ...host } = checkOptions("webgpu", options, webGpuNames);
  const { budgetBytes = Number.POSITIVE_INFINITY } = host;
  if (!(budgetBytes > 0)) throw new SnoopiError(`webgpu: budgetBytes is ${budgetBytes}. Give a number of bytes above zero.`);
  const open = (opened: GPUDevice, info: GPUAdapterInfo) => createBackend(opened, factsOf(opened, info), describe(info), host);
  if (device) return open(device, adapterInfo ?? device.adapterInfo);
  const runtime = gpu ?? (globalThis as { navigator?: { gpu?: GPU } }).navigator?.gpu;
  if (!runtime)
    throw new SnoopiError("webgpu: this runtime has no WebGPU. In Node, import webgpu from @snoopi/kernels/node; else use device cpu.");
  const adapter = await runtime.requestAdapter({ powerPreference: "high-performance" });
  if (!adapter)
    throw new SnoopiError(
      "webgpu: there is no adapter on this machine. Install the GPU's driver (on Linux that for Vulkan) or Mesa's lavapipe, which needs no GPU: mesa-vulkan-drivers of Mesa 24 or newer, which npm run setup in snoopi's repository installs on Debian and Ubuntu. Or use device cpu.",
    );
  const limits: Record<string, number> = {};
  if (raiseLimits) {
    for (const name of ["maxStorageBufferBindingSize", "maxBufferSize"] as const) limits[name] = adapter.limits[name];
  }
  const wanted: GPUFeatureName[] = subgroups ? ["subgroups"] : [];
  const requiredFeatures = wanted.filter((f) => adapter.features.has(f));
  const opened = await adapter.requestDevice({ requiredFeatures, requiredLimits: limits });
  return open(opened, adapter.info);
}

function factsOf(device: GPUDevice, info: GPUAdapterInfo): Facts {
  const one = device.features.has("subgroups") && info.subgroupMinSize === info.subgroupMaxSize;
  return {
    subgroupSize: one ? info.subgroupMinSize : undefined,
    software: isSoftware(info),
    maxBindingBytes: device.limits.maxStorageBufferBindingSize,
    maxBufferBytes: device.limits.maxBufferSize,
    maxInputs: Math.min(7, device.limits.maxStorageBuffersPerShaderStage - 1),
  };
}

export const isSoftware = (info: GPUAdapterInfo): boolean =>
  info.isFallbackAdapter || /llvmpipe|swiftshader/i.test(`${info.description} ${info.device}`);

const describe = (info: GPUAdapterInfo): string =>
  [info.vendor, info.architecture, info.device, info.description].filter(Boolean).join(" ") || "unknown adapter";
