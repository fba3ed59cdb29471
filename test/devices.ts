import { cpu, type Device } from "@snoopi/core";
import { gpu } from "./gpu.ts";

/** The devices that every numerical test runs on. */
export const devices: { name: string; device: Device }[] = [{ name: "cpu", device: cpu }];

if (gpu.device) devices.push({ name: "webgpu", device: gpu.device });
else console.warn(`WebGPU tests do not run: ${gpu.reason}`);
