import type { TypedArray } from "./dtype.ts";
import type { Node } from "./node.ts";
import type { Tensor } from "./tensor.ts";

/** Is told which handles a recording reads and which it assigns: how `capture` learns what a function uses beside its arguments. */
export interface Tracing {
  read(tensor: Tensor): void;
  /** Called before the handle changes, while it still stands for `before`. */
  assign(tensor: Tensor, before: Node): void;
  /** Called for a value made from JavaScript numbers. */
  upload(node: Node, data: TypedArray): void;
}

let current: Tracing | undefined;

/** The current listener, if there is one. */
export const tracing = (): Tracing | undefined => current;

/** Runs `fn` with `listener` as the current one. */
export function traced<R>(listener: Tracing | undefined, fn: () => R): R {
  const before = current;
  current = listener;
  try {
    return fn();
  } finally {
    current = before;
  }
}
