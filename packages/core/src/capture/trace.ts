import type { Device } from "../device.ts";
import type { TypedArray } from "../dtype.ts";
import { SnoopiError } from "../error.ts";
import { type Node, nextSerial } from "../node.ts";
import { scope } from "../scope.ts";
import type { Scope } from "../scope-stack.ts";
import { noGrad } from "../tape.ts";
import { isTensor, keep, Tensor } from "../tensor.ts";
import { type Tracing, traced } from "../tracing.ts";
import { leaves } from "../tree.ts";

/** A handle that the function assigns: its node before a call, and its node after. */
export interface State {
  readonly handle: Tensor;
  readonly before: Node;
  readonly after: Node;
}

/** What one recording of a function found. It holds its nodes until it is disposed of. */
export interface Trace extends Disposable {
  /** What the function returned, as a template: its tensors are disposed of already. */
  readonly result: unknown;
  readonly outputs: readonly Node[];
  readonly states: readonly State[];
  /** Handles made outside that the function reads, and their nodes. */
  readonly reads: ReadonlyMap<Tensor, Node>;
  /** Values that the recorded calls start from, beside the arguments. */
  readonly sources: readonly Node[];
  /** For each source a handle made outside that stands for it. None for what is made inside. */
  readonly handles: readonly (Tensor | undefined)[];
  /** The recording in words, one line per call: two recordings with equal lines make the same calls. */
  readonly lines: readonly string[];
}

/** Runs `fn` once, recording what it would compute. Nothing is computed, and the handles it assigned are restored. */
export function trace(device: Device, args: readonly Tensor[], fn: () => unknown): Trace {
  const given = new Map(args.map((t, i) => [t.node, `argument ${i}`]));
  const start = nextSerial();
  const reads = new Map<Tensor, Node>();
  const assigned = new Map<Tensor, Node>();
  const contents = new Map<Node, string>();
  const listener: Tracing = {
    read(t) {
      if (t.node.serial < start && !given.has(t.node) && !assigned.has(t)) reads.set(t, t.node);
    },
    assign(t, before) {
      if (!assigned.has(t)) assigned.set(t, before.retain());
    },
    upload(node, data) {
      contents.set(node, digest(data));
    },
  };
  const states: State[] = [];
  const outputs: Node[] = [];
  const sources: Node[] = [];
  /** Results that are made inside. */
  const made: Tensor[] = [];
  const release = () => {
    for (const node of [...outputs, ...sources, ...states.flatMap((s) => [s.before, s.after])]) node.release();
  };
  const record = (s: Scope) => {
    const value = fn();
    // Refused below. What it still makes is freed, and what it still throws goes unheard.
    if (value instanceof Promise) return value.then(noValue, noValue);
    for (const t of leaves(value)) {
      outputs.push(t.node.retain());
      if (t.scope === s || (t.node.serial >= start && !assigned.has(t))) made.push(t);
      else listener.read(t);
    }
    return value;
  };
  /** Gives the handles that were assigned their nodes back. */
  const putBack = () => {
    for (const [handle, before] of assigned) {
      reads.delete(handle);
      if (handle.disposed || before.serial >= start) {
        before.release();
        continue;
      }
      states.push({ handle, before, after: handle.node.retain() });
      restore(handle, before);
    }
  };

  try {
    let result: unknown;
    try {
      result = traced(listener, () => noGrad(() => scope(record)));
    } finally {
      for (const t of made) t.dispose();
      putBack();
    }
    if (result instanceof Promise)
      throw new SnoopiError("capture: the function is async. Compute what it awaits outside and pass it as an argument.");
    for (const [handle, before] of assigned) if (before.serial >= start && !handle.disposed) throw kept();
    const moved = states.map((s) => s.after);
    for (const node of [...outputs, ...moved]) {
      if (node.device !== device)
        throw new SnoopiError(
          `capture: a result is on ${node.device.name} and the function on ${device.name}. Give capture the device, as { device }.`,
        );
    }
    for (const t of reads.keys()) if (t.disposed) reads.delete(t);
    const described = describe({ outputs, moved }, given, contents, start);
    for (const source of described.sources) sources.push(source.retain());
    const holders = new Map([...reads, ...states.map((s) => [s.handle, s.before] as const)].map(([handle, node]) => [node, handle]));
    const handles = sources.map((node) => holders.get(node));
    return { result, outputs, states, reads, sources, handles, lines: described.lines, [Symbol.dispose]: release };
  } catch (error) {
    release();
    throw error;
  }
}

const noValue = () => undefined;

/** Makes a handle refer to a node again. */
export function restore(handle: Tensor, node: Node): void {
  const other = keep(new Tensor(node));
  handle.assign(other);
  other.dispose();
}

const kept = () =>
  new SnoopiError("capture: the function makes a tensor that outlives it. Make optimisers and other state before, outside the function.");

/** The calls between the sources and what was returned or assigned, in the order they were recorded. */
function describe(
  { outputs, moved }: { readonly outputs: readonly Node[]; readonly moved: readonly Node[] },
  given: ReadonlyMap<Node, string>,
  contents: ReadonlyMap<Node, string>,
  start: number,
): Pick<Trace, "sources" | "lines"> {
  const found = new Set<Node>();
  const stack = [...outputs, ...moved];
  for (let node = stack.pop(); node; node = stack.pop()) {
    if (found.has(node)) continue;
    found.add(node);
    if (node.serial >= start && node.origin) stack.push(...node.origin.inputs);
  }
  const sources: Node[] = [];
  const names = new Map<Node, string>();
  const lines: string[] = [];
  // Sources are numbered in the order they are met, not by serial, which changes when a state is given a storage of its own.
  const nameOf = (node: Node): string => {
    const known = names.get(node) ?? given.get(node);
    if (known) return known;
    const name = `${node.serial < start ? "outside" : "made inside"} ${sources.push(node) - 1}`;
    names.set(node, name);
    const { shape, dtype } = node.spec;
    lines.push(`${name}: ${dtype} [${shape}]${contents.has(node) ? `, ${contents.get(node)}` : ""}`);
    return name;
  };
  const recorded = [...found].filter((node) => node.serial >= start && node.origin && !given.has(node));
  for (const node of recorded.sort((a, b) => a.serial - b.serial)) {
    const { op, attrs, inputs } = node.origin!;
    const from = inputs.map(nameOf).join(", ");
    const name = `%${lines.length}`;
    names.set(node, name);
    lines.push(`${name} = ${op.name}(${from})${attrs === undefined ? "" : ` ${show(attrs)}`}`);
  }
  const [results, states] = [outputs, moved].map((nodes) => nodes.map(nameOf).join(", "));
  lines.push(`results: ${results}`, `assigned: ${states}`);
  return { sources, lines };
}

const show = (attrs: unknown): string =>
  JSON.stringify(attrs, (_, value) => {
    if (typeof value === "bigint") return `${value}n`;
    if (typeof value === "number" && !Number.isFinite(value)) return `${value}`;
    if (typeof value === "function") return value.name;
    if (isTensor(value)) return `a tensor [${value.shape}]`;
    return value;
  });

/** Tells different contents apart: FNV-1a over the bytes. */
function digest(data: TypedArray): string {
  const bytes = new Uint8Array(data.buffer, data.byteOffset, data.byteLength);
  let hash = 0x811c9dc5;
  for (const byte of bytes) hash = Math.imul(hash ^ byte, 0x01000193);
  return `${data.length} numbers ${(hash >>> 0).toString(16)}`;
}
