import type { Problem } from "./cases.ts";

/** A problem set up in some library, inputs uploaded. */
export interface Prepared {
  /** Computes `times` times and resolves when one element of the last result has been read back. */
  run(times: number): Promise<unknown>;
  /** All of the result, in the order of the problem. */
  output(): Promise<ArrayLike<number>>;
  free(): void;
}

/** One competitor. It lives in a process of its own. */
export interface Library {
  readonly version: string;
  /** Undefined where the library has no such op and none to compose it from. */
  prepare(problem: Problem, inputs: readonly Float32Array[]): Promise<Prepared | undefined>;
}

export interface LibraryInfo {
  readonly name: string;
  /** Computes on the adapter, or on the CPU in JavaScript. */
  readonly on: "webgpu" | "cpu";
  /** Needs bench/peers to be installed. */
  readonly peer: boolean;
  /** Imported in the child process. Exports `open(): Promise<Library>`. */
  readonly module: string;
}

export const libraries: readonly LibraryInfo[] = [
  { name: "snoopi", on: "webgpu", peer: false, module: "./snoopi.ts" },
  { name: "tfjs-webgpu", on: "webgpu", peer: true, module: "./peers/tfjs-webgpu.ts" },
  { name: "jax-js", on: "webgpu", peer: true, module: "./peers/jax.ts" },
  { name: "gpu.js", on: "webgpu", peer: true, module: "./peers/gpujs.ts" },
  { name: "tfjs-cpu", on: "cpu", peer: true, module: "./peers/tfjs-cpu.ts" },
  { name: "plain JS", on: "cpu", peer: false, module: "./plain.ts" },
];
