import type { Device } from "../device.ts";
import { SnoopiError } from "../error.ts";
import { execute, overwrite } from "../execute.ts";
import { dense } from "../layout.ts";
import { Node } from "../node.ts";
import { defaultDevice } from "../ops/full.ts";
import { checkOptions } from "../options.ts";
import { show, sizeOf } from "../shape.ts";
import { isTracked } from "../tape.ts";
import { keep, Tensor } from "../tensor.ts";
import { tracing } from "../tracing.ts";
import { mapTree } from "../tree.ts";
import { detach, entangled, type Planned, plan } from "./program.ts";
import { signature } from "./signature.ts";
import { type Trace, trace } from "./trace.ts";

export interface CaptureOptions {
  /** Where it runs. Default the device of the first argument that is a tensor, else the default device. */
  readonly device?: Device;
  /**
   * When to record the function again and compare, so that a number that changed outside, or another tensor, is an error and not a stale
   * constant: at the second call with given shapes (default), at every call, or never.
   */
  readonly check?: "once" | "always" | "never";
}

/** A function that runs as one program. */
export interface Captured<A extends readonly unknown[], R> extends Disposable {
  (...args: A): R;
  /** Kernels that the latest call started, not counting copies of its arguments and results; 0 before the first. */
  readonly dispatches: number;
  /** Programs made so far: one for each combination of shapes, on each device. */
  readonly programs: number;
}

interface Entry {
  readonly slots: readonly Tensor[];
  readonly found: Trace;
  readonly planned: Planned;
  calls: number;
}

/**
 * Traces `fn` once for each combination of argument shapes, and from then on replays a program with planned memory: no recording, no
 * planning, no bindings to make. `fn` may assign tensors made outside (parameters, optimiser state, averages); they are updated in place. A
 * whole training step, backward and update included, is one program.
 *
 * Arguments are trees of tensors; results are too, and belong to the caller. What changes from call to call must be an argument or assigned
 * by `fn`: JavaScript inside runs only while `fn` is traced. Random numbers are made outside and passed in.
 *
 * @throws SnoopiError when `fn` is async, when arguments are on several devices or cannot be told from others, when a recording differs from
 * the first one (see `check`), when a tensor that `fn` reads was assigned or disposed of since, or when a gradient would have to flow
 * through the call.
 */
export function capture<A extends readonly unknown[], R>(fn: (...args: A) => R, options: CaptureOptions = {}): Captured<A, R> {
  const { check = "once" } = checkOptions("capture", options, { device: true, check: true });
  const entries = new Map<Device, Map<string, Entry>>();
  let dispatches = 0;

  function call(...args: A): R {
    if (tracing()) return fn(...args);
    const { key, given } = signature(args);
    if (isTracked(given)) {
      throw new SnoopiError(
        "capture: an argument is differentiated, and no gradient flows through a captured call. Capture the function that takes the gradient.",
      );
    }
    const device = options.device ?? given[0]?.device ?? defaultDevice();
    for (const t of given) {
      if (t.device !== device)
        throw new SnoopiError(
          `capture: an argument ${show(t.shape)} is on ${t.device.name} and the function on ${device.name}. Move it with await x.copyTo(device).`,
        );
    }
    const own = entries.get(device) ?? new Map<string, Entry>();
    entries.set(device, own);
    let entry = own.get(key);
    if (entry) {
      entry.planned.check();
      if (!entry.planned.fresh()) {
        discard(entry);
        entry = undefined;
      }
    }
    if (!entry) {
      entry = make(device, fn, args, given);
      own.set(key, entry);
    } else if (check === "always" || (check === "once" && entry.calls === 1)) {
      compare(device, fn, args, entry);
    }
    entry.calls++;
    dispatches = entry.planned.dispatches;
    for (const [i, slot] of entry.slots.entries()) put(device, slot.node, given[i]);
    const nodes = entry.planned.run();
    let next = 0;
    return mapTree(entry.found.result, () => new Tensor(nodes[next++])) as R;
  }

  return Object.defineProperties(
    Object.assign(call, {
      [Symbol.dispose]() {
        for (const own of entries.values()) for (const entry of own.values()) discard(entry);
        entries.clear();
      },
    }),
    { dispatches: { get: () => dispatches }, programs: { get: () => [...entries.values()].reduce((n, own) => n + own.size, 0) } },
  ) as Captured<A, R>;
}

function make<A extends readonly unknown[]>(device: Device, fn: (...args: A) => unknown, args: A, given: readonly Tensor[]): Entry {
  const slots = given.map(({ shape, dtype }) => {
    device.supports(dtype);
    return keep(
      new Tensor(new Node(device, { shape, dtype }, { value: { storage: device.allocate(dtype, sizeOf(shape)), layout: dense(shape) } })),
    );
  });
  try {
    using found = settled(device, slots, fn, args);
    const planned = plan(
      device,
      slots.map((t) => t.node),
      found,
    );
    return { slots, found, planned, calls: 0 };
  } catch (error) {
    for (const slot of slots) slot.dispose();
    throw error;
  }
}

/** Traces, and traces again after giving states that share a storage their own. */
function settled<A extends readonly unknown[]>(device: Device, slots: readonly Tensor[], fn: (...args: A) => unknown, args: A): Trace {
  for (;;) {
    const found = trace(device, slots, () => fn(...filled(args, slots)));
    try {
      const started = found.sources.concat(found.states.map((s) => s.before));
      for (const _ of execute(device, started)) void _;
      const shared = entangled(found.states);
      if (shared.length === 0) return found;
      for (const state of shared) detach(device, state);
    } catch (error) {
      found[Symbol.dispose]();
      throw error;
    }
    found[Symbol.dispose]();
  }
}

function filled<A extends readonly unknown[]>(args: A, slots: readonly Tensor[]): A {
  let next = 0;
  return mapTree(args, () => slots[next++]);
}

/** Copies an argument to where the program reads it. */
function put(device: Device, slot: Node, value: Tensor): void {
  if (!value.node.value) for (const _ of execute(device, [value.node])) void _;
  overwrite(device, slot, value.node);
}

/** Records the function again. @throws SnoopiError unless it makes the same calls, on the same tensors from outside. */
function compare<A extends readonly unknown[]>(device: Device, fn: (...args: A) => unknown, args: A, { slots, found }: Entry): void {
  using again = trace(device, slots, () => fn(...filled(args, slots)));
  const at = again.lines.findIndex((line, i) => line !== found.lines[i]);
  if (at >= 0 || again.lines.length !== found.lines.length) {
    const [before, now] = [found.lines[at] ?? "nothing", again.lines[at] ?? "nothing"];
    throw new SnoopiError(
      `capture: the function does something else than when it was captured: first "${before}", now "${now}". Pass what changes as an argument, or keep it in a tensor that the function assigns.`,
    );
  }
  const moved = again.states.find(({ handle }, i) => handle !== found.states[i].handle);
  if (moved) {
    throw new SnoopiError(
      `capture: the function assigns another tensor ${show(moved.handle.shape)} than when it was captured. Capture a function for each.`,
    );
  }
  const other = again.sources.findIndex((node, i) => {
    const known = found.handles[i];
    return known && !known.disposed && known.node !== node;
  });
  if (other < 0) return;
  const reader = again.lines.find((line) => new RegExp(`[ (]outside ${other}\\b`).test(line));
  throw new SnoopiError(
    `capture: the function reads another tensor than when it was captured: outside ${other} in "${reader}". Pass it as an argument, or capture again.`,
  );
}

function discard({ slots, planned }: Entry): void {
  planned[Symbol.dispose]();
  for (const slot of slots) slot.dispose();
}
