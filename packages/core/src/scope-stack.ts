import { SnoopiError } from "./error.ts";
import { type Tensor } from "./tensor.ts";

/** Owns the tensors made while it is the current one, and disposes of them when it closes. */
export class Scope implements Disposable {
  readonly parent: Scope | undefined;
  readonly depth: number;
  #owned = new Set<Tensor>();
  #closed = false;

  constructor(parent: Scope | undefined) {
    this.parent = parent;
    this.depth = parent ? parent.depth + 1 : 0;
  }

  get closed(): boolean {
    return this.#closed;
  }

  adopt(tensor: Tensor): void {
    if (this.#closed) throw new SnoopiError("scope: it has ended. Make the tensor inside the scope, or in one that is still open.");
    this.#owned.add(tensor);
  }

  disown(tensor: Tensor): void {
    this.#owned.delete(tensor);
  }

  /** Runs `fn` with this scope as the current one: for work that follows an `await`, where the library cannot tell whose it is. */
  run<R>(fn: () => R): R {
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
    for (const tensor of this.#owned) {
      if (escaping.has(tensor)) tensor.moveTo(this.parent?.closed ? undefined : this.parent);
      else tensor.dispose();
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
