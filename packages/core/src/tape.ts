import { isFloat } from "./dtype.ts";
import { SnoopiError } from "./error.ts";
import type { Node } from "./node.ts";
import type { Op } from "./op.ts";
import type { Tensor } from "./tensor.ts";

/** What a tape needs of an op. */
export type Differentiable = Pick<Op<any>, "name" | "vjp">;

interface Entry {
  readonly op: Differentiable;
  readonly attrs: unknown;
  readonly inputs: readonly Node[];
  readonly output: Node;
}

/** The calls that lead from some variables to whatever is computed from them, in the order they were made. */
export class Tape implements Disposable {
  readonly entries: Entry[] = [];
  readonly #tracked = new Set<Node>();
  #disposed = false;

  constructor(variables: readonly Tensor[]) {
    for (const v of variables) this.#tracked.add(v.node.retain());
  }

  tracks(node: Node): boolean {
    return this.#tracked.has(node);
  }

  /** Throws when the tape has been let go. */
  check(): void {
    if (this.#disposed)
      throw new SnoopiError("vjp: the pullback is called after it was disposed. Call it before the scope around vjp ends.");
  }

  /**
   * Notes a call when it depends on a variable. What the backward pass will read stays alive with the tape. A result that is no
   * float is constant almost everywhere, so nothing is pulled back through it.
   */
  record(op: Differentiable, inputs: readonly Tensor[], output: Tensor, attrs: unknown): void {
    if (!isFloat(output.dtype)) return;
    const nodes = inputs.map((t) => t.node);
    if (!nodes.some((n) => this.#tracked.has(n))) return;
    this.#tracked.add(output.node.retain());
    for (const n of nodes) n.retain();
    this.entries.push({ op, attrs, inputs: nodes, output: output.node });
  }

  [Symbol.dispose](): void {
    this.#disposed = true;
    for (const { inputs } of this.entries) for (const n of inputs) n.release();
    for (const n of this.#tracked) n.release();
    this.entries.length = 0;
    this.#tracked.clear();
  }
}

const active: Tape[] = [];

/** Runs `fn` while `tape` listens. Tapes nest: each hears the calls of those inside. */
export function listen<R>(tape: Tape, fn: () => R): R {
  active.push(tape);
  try {
    return fn();
  } finally {
    active.splice(active.lastIndexOf(tape), 1);
  }
}

export function recordOnTapes(op: Differentiable, inputs: readonly Tensor[], output: Tensor, attrs: unknown): void {
  for (const tape of active) tape.record(op, inputs, output, attrs);
}

/** Whether a gradient with respect to any of these may be asked for: what a call saves for its backward pass is worth saving. */
export const isTracked = (tensors: readonly Tensor[]): boolean => active.some((tape) => tensors.some((t) => tape.tracks(t.node)));

/** Runs `fn` unheard: nothing in it is differentiated. */
export function noGrad<R>(fn: () => R): R {
  const silenced = active.splice(0);
  try {
    return fn();
  } finally {
    active.push(...silenced);
  }
}
