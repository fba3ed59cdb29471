import { currentScope, Scope } from "./scope-stack.ts";
import type { Tensor } from "./tensor.ts";
import { leaves } from "./tree.ts";

/**
 * Runs `fn` and frees every tensor made inside, except those it returns (alone, or in arrays and plain objects), which move to the
 * surrounding scope. `fn` may be async: after an `await`, a result belongs to the innermost scope among its operands, and
 * `s.run(() => …)` claims anything else.
 *
 * Leaving a scope computes nothing: pending tensors that escape stay pending, and what nothing needs is never run.
 */
export function scope<R>(fn: (s: Scope) => R): R {
  const s = new Scope(currentScope());
  let result: R;
  try {
    result = s.run(() => fn(s));
  } catch (error) {
    s.close();
    throw error;
  }
  if (result instanceof Promise) {
    return result.then(
      (value) => {
        s.close(tensorsIn(value));
        return value;
      },
      (error) => {
        s.close();
        throw error;
      },
    ) as R;
  }
  s.close(tensorsIn(result));
  return result;
}

/** TensorFlow.js's name for {@link scope}. */
export const tidy = scope;

const tensorsIn = (value: unknown): Set<Tensor> => new Set(leaves(value));
