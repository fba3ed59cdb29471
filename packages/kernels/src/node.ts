import { setFlagsFromString } from "node:v8";
import { runInNewContext } from "node:vm";
import { checkOptions, SnoopiError } from "@snoopi/core";
import type { WebGpuDevice } from "./backend.ts";
import { isSoftware, webgpu as open, type WebGpuOptions, webGpuNames } from "./device.ts";

export type { WebGpuDevice } from "./backend.ts";

const host = globalThis as { snoopiGpu?: { readonly gpu: GPU; readonly flags: readonly string[] } };

/**
 * Opens a GPU in Node, through the optional package `webgpu` (Dawn). Throws when the package or an adapter is missing.
 *
 * `flags` go to Dawn's `create`, e.g. `["enable-dawn-features=allow_unsafe_apis"]`. That happens once in a process: later calls may name the
 * same flags or none.
 */
export async function webgpu(given: WebGpuOptions & { readonly flags?: readonly string[] } = {}): Promise<WebGpuDevice> {
  const { flags = [], ...options } = checkOptions("webgpu", given, { ...webGpuNames, flags: true });
  const dawn = await import("webgpu").catch((cause) => {
    throw new SnoopiError(
      "webgpu: the package `webgpu` (Dawn for Node) cannot be loaded. Install it with npm install webgpu, or use device cpu.",
      { cause },
    );
  });
  Object.assign(globalThis, dawn.globals);
  // Dawn crashes if its GPU object is garbage-collected while a device lives: it is kept for good.
  host.snoopiGpu ??= { gpu: dawn.create([...flags]) as GPU, flags };
  const { gpu, flags: first } = host.snoopiGpu;
  if (flags.length > 0 && flags.join(" ") !== first.join(" ")) {
    const had = first.length > 0 ? `the flags ${first.join(" ")}` : "no flags";
    throw new SnoopiError(
      `webgpu: Dawn was started with ${had} in this process, not with ${flags.join(" ")}. Give them to the first call.`,
    );
  }
  const device = await open({ gpu, wait: gently(() => software), boundAnother, ...options });
  const software = isSoftware((device.gpu as GPUDevice & { adapterInfo: GPUAdapterInfo }).adapterInfo);
  return device;
}

/**
 * Bind groups made from one forced garbage collection to the next. To V8 a bind group is a small object, which it is in no hurry to
 * collect; to lavapipe it is a memory mapping, of which Linux allows a process 65,530, and one more crashes it.
 */
const betweenCollections = 8192;

let bound = 0;
let collect: (() => void) | undefined;

function boundAnother(): void {
  if (++bound % betweenCollections > 0) return;
  if (!collect) {
    setFlagsFromString("--expose-gc");
    collect = runInNewContext("gc") as () => void;
  }
  collect();
}

let waiting = 0;
let usual = globalThis.setImmediate;

/**
 * Dawn polls once per `setImmediate` for as long as a promise is pending, which takes a core from an adapter that is itself a CPU.
 * While such an adapter works, immediates wait a millisecond.
 */
function gently(applies: () => boolean) {
  return async <T>(work: Promise<T>): Promise<T> => {
    if (!applies()) return work;
    if (waiting++ === 0) {
      usual = globalThis.setImmediate;
      globalThis.setImmediate = ((fn: (...args: unknown[]) => void, ...args: unknown[]) =>
        setTimeout(fn, 1, ...args)) as unknown as typeof setImmediate;
    }
    try {
      return await work;
    } finally {
      if (--waiting === 0) globalThis.setImmediate = usual;
    }
  };
}
