import { fromData } from "./create.ts";
import type { Device } from "./device.ts";
import { convert, type TypedArray, toNumbers } from "./dtype.ts";
import { SnoopiError } from "./error.ts";
import { compact, costToRun, execute, pendingFor } from "./execute.ts";
import type { Node } from "./node.ts";
import { checkOptions } from "./options.ts";
import { currentScope } from "./scope-stack.ts";
import { sizeOf } from "./shape.ts";
import type { Tensor } from "./tensor.ts";

export interface RealizeOptions {
  /** Stops between two submits: what has run stays, the rest is still recorded. */
  readonly signal?: AbortSignal;
  /** Called after each submit has run, with the FLOPs done so far and in total. */
  readonly onProgress?: (done: number, total: number) => void;
}

/** FLOPs after which work is submitted, so that one submit stays far below a browser's watchdog (seconds) on slow devices. */
const perSubmit = 4e9;

/** Milliseconds after which a device that computes synchronously (the CPU) gives timers, signals and progress their turn. */
const perTurn = 100;

/** Computes the given tensors now, all on one device, and resolves when they have been. */
export async function realize(tensors: readonly Tensor[], options: RealizeOptions = {}): Promise<void> {
  const { signal, onProgress } = checkOptions("realize", options, { signal: true, onProgress: true });
  if (tensors.length === 0) return;
  const device = tensors[0].device;
  for (const t of tensors) {
    if (t.device !== device)
      throw new SnoopiError(
        `realize: one tensor is on ${device.name} and another on ${t.device.name}. Realize those of each device together.`,
      );
  }
  const nodes = tensors.map((t) => t.node.retain());
  try {
    signal?.throwIfAborted();
    const waiting = ready(device, nodes);
    if (waiting) await waiting;
    const total = costToRun(nodes);
    let [done, pending, turn] = [0, 0, performance.now()];
    for (const cost of execute(device, nodes)) {
      done += cost;
      pending += cost;
      if (pending < perSubmit && performance.now() - turn < perTurn) continue;
      pending = 0;
      device.submit();
      await device.idle();
      turn = performance.now();
      onProgress?.(done, total);
      signal?.throwIfAborted();
    }
    device.submit();
    await device.idle();
    onProgress?.(total, total);
  } finally {
    for (const n of nodes) n.release();
  }
}

/** The elements in row-major order, computing them first where needed. f16 comes widened to f32. */
export async function data(x: Tensor): Promise<Exclude<TypedArray, Uint16Array>> {
  const node = x.node.retain();
  try {
    const waiting = ready(x.device, [node]);
    if (waiting) await waiting;
    for (const _ of execute(x.device, [node])) void _;
    const { storage } = compact(x.device, node);
    try {
      x.device.submit();
      return toNumbers(x.dtype, await x.device.read(storage, x.dtype, sizeOf(x.shape)));
    } finally {
      storage.release();
    }
  } finally {
    node.release();
  }
}

const ready = (device: Device, nodes: readonly Node[]): Promise<void> | undefined => device.ready?.(() => pendingFor(nodes));

/** The only element. */
export async function item(x: Tensor): Promise<number> {
  if (sizeOf(x.shape) !== 1) throw new SnoopiError(`item: the tensor has ${sizeOf(x.shape)} elements, not one. Use data().`);
  return (await data(x))[0];
}

/** The same values on another device. The recording is not copied: gradients stop here. */
export async function copyTo(x: Tensor, device: Device): Promise<Tensor> {
  const home = currentScope() ?? x.scope;
  const values = await data(x);
  const copy = fromData(convert(x.dtype === "f16" ? "f32" : x.dtype, values, x.dtype), { shape: x.shape, dtype: x.dtype, device });
  if (home && !home.closed) copy.moveTo(home);
  return copy;
}
