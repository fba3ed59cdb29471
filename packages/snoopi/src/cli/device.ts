import { cpu, type Device, SnoopiError } from "@snoopi/core";
import { webgpu } from "@snoopi/kernels/node";
import type { GenerateOptions } from "./args.ts";

/** A device and how to let go of it; a process with an open GPU does not end. */
export interface OpenDevice extends Disposable {
  readonly device: Device;
  /** Which one it is, and for `auto` why, in one line. */
  readonly line: string;
}

/** Opens the device asked for. `auto` is webgpu where there is an adapter, else the CPU. */
export async function openDevice(wanted: GenerateOptions["device"]): Promise<OpenDevice> {
  if (wanted === "cpu") return onCpu("device: cpu");
  try {
    const device = await webgpu();
    return { device, line: `device: webgpu, ${device.description}`, [Symbol.dispose]: () => device.destroy() };
  } catch (error) {
    if (wanted === "webgpu" || !(error instanceof SnoopiError)) throw error;
    return onCpu(`device: cpu, because ${error.message.replace(/^webgpu: /, "").replace(/\. .*$/s, "")}. With a WebGPU adapter it is faster: see npm run setup.`);
  }
}

const onCpu = (line: string): OpenDevice => ({ device: cpu, line, [Symbol.dispose]() {} });
