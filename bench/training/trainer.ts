import type { LibraryInfo } from "../library.ts";
import type { Network } from "./networks.ts";

/** A network set up in some library, its parameters and its batch uploaded. */
export interface Training {
  /** Starts one step, backward pass and update included. The function it returns reads the loss back. */
  step(): () => Promise<number>;
  /** Starts the forward pass alone, up to the loss. */
  forward(): () => Promise<number>;
  /** Peak bytes of tensors, where the library reports them. */
  readonly tensorBytes?: () => number;
  free(): void;
}

/** One competitor. It lives in a process of its own. */
export interface Trainer {
  readonly version: string;
  prepare(network: Network): Promise<Training>;
}

/** Those written in JavaScript. Their modules export `open(name): Promise<Trainer>`. */
export const trainers: readonly LibraryInfo[] = [
  { name: "snoopi", on: "webgpu", peer: false, module: "./snoopi.ts" },
  { name: "snoopi recorded", on: "webgpu", peer: false, module: "./snoopi.ts" },
  { name: "tfjs-webgpu", on: "webgpu", peer: true, module: "../peers/tfjs-training.ts" },
  { name: "jax-js", on: "webgpu", peer: true, module: "../peers/jax-training.ts" },
];

/** PyTorch, where a Python was given. */
export const pytorch: LibraryInfo = { name: "PyTorch", on: "cpu", peer: false, module: "pytorch.py" };
