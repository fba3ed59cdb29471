import { cpu, createDryDevice, type Device } from "@snoopi/core";
import { type WebGpuDevice, webgpu } from "@snoopi/kernels/node";
import { estimate } from "../pipeline/estimate.ts";
import type { OpenModel } from "../pipeline/open.ts";
import type { Request } from "../pipeline/request.ts";
import type { GenerateOptions } from "./args.ts";
import { shownDuration } from "./progress.ts";

/** An open device. Dispose of it: a process with an open GPU does not end. */
export interface OpenDevice extends Disposable {
  readonly device: Device;
  /** One line that says which device it is and, for `auto`, why. */
  readonly line: string;
}

/** Opens the device asked for. `auto` is webgpu where there is an adapter, else the CPU. */
export async function openDevice(wanted: GenerateOptions["device"]): Promise<OpenDevice> {
  if (wanted === "cpu") return onCpu("device: cpu");
  try {
    const device = await webgpu();
    return { device, line: `device: webgpu, ${adapterName(device)}`, [Symbol.dispose]: () => device.destroy() };
  } catch (error) {
    if (wanted === "webgpu" || !(error instanceof Error)) throw error;
    return onCpu(
      `device: cpu, because ${error.message.replace(/^webgpu: /, "").replace(/\. .*$/s, "")}. With a WebGPU adapter it is faster, and Mesa's lavapipe is one that needs no GPU (npm run setup in snoopi's repository).`,
    );
  }
}

const onCpu = (line: string): OpenDevice => ({ device: cpu, line, [Symbol.dispose]() {} });

/** The driver's own description, if it has one: it names the GPU better than vendor and architecture do. */
const adapterName = ({ gpu, description }: WebGpuDevice): string => gpu.adapterInfo?.description || description;

/** FLOPs per second of the CPU reference on one core of a 2023 server; it is written to be read, not to be fast. */
const referenceSpeed = 3e8;

/** A warning where the CPU would take more than a minute. */
export async function slownessOf(model: OpenModel, request: Request): Promise<string | undefined> {
  const { flops } = await estimate(model, request, { device: createDryDevice() });
  const seconds = flops / referenceSpeed;
  return seconds > 60
    ? `the CPU computes by plain loops, which will take about ${shownDuration(seconds * 1000)} here. Use a WebGPU adapter, or a smaller picture.`
    : undefined;
}
