import * as dawn from "webgpu";

/** From now on Dawn polls the GPU once per millisecond; otherwise it would take a core from an adapter that is itself a CPU. */
export function pollGently(): void {
  const later = (fn: (...args: unknown[]) => void, ...args: unknown[]) => setTimeout(fn, 1, ...args);
  globalThis.setImmediate = later as unknown as typeof setImmediate;
}

/**
 * Gives libraries made for browsers what they look for: `navigator.gpu` from this project's own copy of Dawn, so that all use the same, and
 * WebGPU's globals. They poll as gently as this project.
 */
export function openBrowserGpu(): void {
  Object.assign(globalThis, dawn.globals);
  const gpu = dawn.create([]);
  Object.defineProperty(globalThis, "navigator", { value: { gpu, userAgent: "node", hardwareConcurrency: 1 }, configurable: true });
  pollGently();
}
