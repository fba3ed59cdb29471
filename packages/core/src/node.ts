import type { Device } from "./device.ts";
import { invariant } from "./error.ts";
import type { Layout } from "./layout.ts";
import type { AnyOp, Spec } from "./op.ts";

let live = 0;

/** How many storages, over all devices, have not been returned to their device. */
export const liveStorages = (): number => live;

/** A buffer of a device, shared by every value that lies in it and returned to the device by the last of them. */
export class Storage {
  readonly buffer: unknown;
  readonly bytes: number;
  readonly #free: ((storage: Storage) => void) | undefined;
  #refs = 1;

  /** Without `free` it stands for memory that does not exist, and need not be released. */
  constructor(buffer: unknown, bytes: number, free?: (storage: Storage) => void) {
    this.buffer = buffer;
    this.bytes = bytes;
    this.#free = free;
    if (free) live++;
  }

  /** How many values lie in it, plus any other holders. */
  get refs(): number {
    return this.#refs;
  }

  retain(): this {
    invariant(this.#refs > 0, "a freed storage is in use");
    this.#refs++;
    return this;
  }

  release(): void {
    if (--this.#refs > 0 || !this.#free) return;
    live--;
    this.#free(this);
  }
}

/** A computed tensor: its storage and where in it the elements lie. */
export interface Materialized {
  readonly storage: Storage;
  readonly layout: Layout;
  /** Further results of the same call, which live as long. */
  readonly extras?: readonly Materialized[];
}

/** Lets go of a value and of the further results beside it. */
export function letGo({ storage, extras = [] }: Materialized): void {
  storage.release();
  for (const extra of extras) extra.storage.release();
}

/** How a node will be computed. Its inputs are retained until it has been. */
export interface Origin {
  readonly op: AnyOp;
  readonly attrs: unknown;
  readonly inputs: readonly Node[];
}

let next = 0;

/** The serial of the node that will be made next. */
export const nextSerial = (): number => next;

/**
 * One recorded call. It holds its inputs until it has run, then its value, and lets go of either when nobody refers to it:
 * handles, pending nodes that read it, and gradient tapes each count as one reference.
 */
export class Node {
  /** Counts up: inputs have smaller numbers than what is made from them. */
  readonly serial: number;
  readonly device: Device;
  readonly spec: Spec;
  origin: Origin | undefined;
  value: Materialized | undefined;
  refs = 0;

  constructor(device: Device, spec: Spec, made: { origin: Origin } | { value: Materialized }, serial = next++) {
    this.serial = serial;
    this.device = device;
    this.spec = spec;
    if ("origin" in made) {
      this.origin = made.origin;
      for (const input of made.origin.inputs) input.retain();
    } else {
      this.value = made.value;
    }
  }

  retain(): this {
    this.refs++;
    return this;
  }

  release(): void {
    // Iterative: a chain of pending temporaries can be as long as a program.
    const dying: Node[] = [this];
    for (let node = dying.pop(); node; node = dying.pop()) {
      if (--node.refs > 0) continue;
      if (node.value) letGo(node.value);
      node.value = undefined;
      dying.push(...(node.origin?.inputs ?? []));
      node.origin = undefined;
    }
  }

  /** The node has run: keep the value, let go of what it was made from. */
  settle(value: Materialized): void {
    this.value = value;
    const inputs = this.origin?.inputs ?? [];
    this.origin = undefined;
    for (const input of inputs) input.release();
  }
}
