import { isFloat } from "./dtype.ts";
import { SnoopiError } from "./error.ts";
import { type Node, nextSerial } from "./node.ts";
import type { Op } from "./op.ts";
import { bytesFor, type Recipes } from "./recompute.ts";
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
  /** The nodes kept alive, listed once for each time they were retained. */
  #held: Node[] = [];
  #disposed = false;
  /** Bytes of the largest recorded value. */
  mostBytes = 0;
  /** How to recompute the values that were released. Set with {@link Tape.prune}. */
  recipes: Recipes | undefined;
  /** While set, the tape records nothing, as during its own backward pass. */
  paused = false;

  /** The serial of the first node that it may record. */
  readonly start = nextSerial();

  constructor(variables: readonly Tensor[]) {
    for (const v of variables) this.#track(v.node);
  }

  #track(node: Node): void {
    this.#tracked.add(node);
    this.#held.push(node.retain());
  }

  tracks(node: Node): boolean {
    return this.#tracked.has(node);
  }

  get disposed(): boolean {
    return this.#disposed;
  }

  /** Whether any recorded call has a backward pass of the caller's own code, instead of an op's. */
  get callsBack(): boolean {
    return this.entries.some(({ op }) => !("infer" in op));
  }

  /** Throws when the tape was disposed of. */
  check(): void {
    if (this.#disposed)
      throw new SnoopiError("vjp: the pullback is called after it was disposed. Call it before the scope around vjp ends.");
  }

  /**
   * Records a call when it depends on a variable. Values that the backward pass will read stay alive with the tape. A result that is not a
   * float is constant almost everywhere, so nothing is pulled back through it.
   */
  record(op: Differentiable, inputs: readonly Tensor[], output: Tensor, attrs: unknown): void {
    if (this.paused || !isFloat(output.dtype)) return;
    const nodes = inputs.map((t) => t.node);
    if (!nodes.some((n) => this.#tracked.has(n))) return;
    this.#track(output.node);
    this.mostBytes = Math.max(this.mostBytes, bytesFor(output.node));
    for (const n of nodes) this.#held.push(n.retain());
    this.entries.push({ op, attrs, inputs: nodes, output: output.node });
  }

  /**
   * Releases every value that `results`, those of a pullback, do not read or that `recipes` recompute. The shapes stay, which is all that
   * the next pullback needs of them.
   */
  prune(results: readonly Node[], recipes: Recipes): void {
    const own = new Set(this.#held);
    const read = new Set<Node>();
    for (const { inputs } of recipes.values()) {
      for (const n of inputs) if (!recipes.has(n) && !read.has(n)) read.add(n.retain());
    }
    const seen = new Set<Node>();
    const stack = [...results];
    for (let node = stack.pop(); node; node = stack.pop()) {
      if (seen.has(node) || recipes.has(node)) continue;
      seen.add(node);
      if (read.has(node)) continue;
      if (own.has(node)) read.add(node.retain());
      else stack.push(...(node.origin?.inputs ?? []));
    }
    for (const n of this.#held) n.release();
    this.#held = [...read];
    this.recipes = recipes;
  }

  [Symbol.dispose](): void {
    this.#disposed = true;
    for (const n of this.#held) n.release();
    this.#held = [];
    this.entries.length = 0;
    this.#tracked.clear();
  }
}

/** Whatever calls are reported to. */
type Listener = Pick<Tape, "tracks" | "record" | "disposed">;

const active: Listener[] = [];

/** Reports every call to `tape` until the returned function is called. */
export function startListening(tape: Tape): () => void {
  active.push(tape);
  return () => {
    const at = active.lastIndexOf(tape);
    if (at >= 0) active.splice(at, 1);
  };
}

/** Runs `fn` while `tape` listens. Tapes nest: each hears the calls of those inside. */
export function listen<R>(tape: Tape, fn: () => R): R {
  const stop = startListening(tape);
  try {
    return fn();
  } finally {
    stop();
  }
}

/** Whether any tape listens. */
export const isListening = (): boolean => active.length > 0;

export function recordOnTapes(op: Differentiable, inputs: readonly Tensor[], output: Tensor, attrs: unknown): void {
  for (const tape of active) tape.record(op, inputs, output, attrs);
}

/** Whether a gradient with respect to any of these may be needed, so that a call should save what its backward pass reads. */
export const isTracked = (tensors: readonly Tensor[]): boolean => active.some((tape) => tensors.some((t) => tape.tracks(t.node)));

/** Runs `fn` with no tape listening: nothing in it is differentiated. */
export function noGrad<R>(fn: () => R): R {
  const silenced = active.splice(0);
  try {
    return fn();
  } finally {
    active.push(...silenced.filter((tape) => !tape.disposed));
  }
}

/** As {@link noGrad}; also returns the tensors that `fn` read and that the active tapes track. */
export function noGradFinding<R>(fn: () => R): [result: R, read: Tensor[]] {
  const around = [...active];
  const read = new Map<Node, Tensor>();
  // What is made inside is tracked by nobody, so whatever is tracked comes from outside.
  const tracks = (node: Node) => around.some((tape) => tape.tracks(node));
  const finder: Listener = {
    disposed: false,
    tracks,
    record(_, inputs) {
      for (const t of inputs) if (tracks(t.node)) read.set(t.node, t);
    },
  };
  const result = noGrad(() => {
    active.push(finder);
    try {
      return fn();
    } finally {
      active.pop();
    }
  });
  return [result, [...read.values()]];
}
