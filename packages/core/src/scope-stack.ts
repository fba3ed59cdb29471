import { SnoopiError } from "./error.ts";
import type { Tensor } from "./tensor.ts";

/** Owns the tensors (and the tapes) made while it is the current one, and disposes of them when it closes. */
export class Scope implements Disposable {
  readonly parent: Scope | undefined;
  readonly depth: number;
  readonly #owned = new Set<Tensor | Disposable>();
  #closed = false;

  constructor(parent: Scope | undefined) {
    this.parent = parent;
    this.depth = parent ? parent.depth + 1 : 0;
  }

  get closed(): boolean {
    return this.#closed;
  }

  adopt(owned: Tensor | Disposable): void {
    this.#check();
    this.#owned.add(owned);
  }

  disown(owned: Tensor | Disposable): void {
    this.#owned.delete(owned);
  }

  #check(): void {
    if (this.#closed) throw new SnoopiError("scope: it has ended. Make the tensor inside the scope, or in one that is still open.");
  }

  /** Runs `fn` with this scope as the current one: for work that follows an `await`, where the library cannot tell whose it is. */
  run<R>(fn: () => R): R {
    this.#check();
    stack.push(this);
    try {
      return fn();
    } finally {
      stack.pop();
    }
  }

  /** Disposes of everything owned, except the tensors in `escaping`, which move to the parent. */
  close(escaping: ReadonlySet<Tensor> = new Set()): void {
    this.#closed = true;
    const heir = this.parent?.closed ? undefined : this.parent;
    for (const owned of this.#owned) {
      if ("moveTo" in owned && escaping.has(owned)) owned.moveTo(heir);
      else owned[Symbol.dispose]();
    }
    this.#owned.clear();
  }

  [Symbol.dispose](): void {
    if (!this.#closed) this.close();
  }
}

const stack: Scope[] = [];

/** The scope that new tensors without operands belong to. */
export const currentScope = (): Scope | undefined => stack[stack.length - 1];
