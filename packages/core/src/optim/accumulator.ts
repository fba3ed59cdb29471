import { SnoopiError } from "../error.ts";
import { add, mul } from "../ops/arithmetic.ts";
import { cast } from "../ops/cast.ts";
import { alias } from "../ops/movement.ts";
import { scope } from "../scope.ts";
import { noGrad } from "../tape.ts";
import { keep, type Tensor } from "../tensor.ts";
import { mapTree } from "../tree.ts";
import { gradientsFor, named } from "./named.ts";

/**
 * Accumulates gradients of several small batches for one step. Realize {@link Accumulator.tensors} after each batch to free its
 * activations; in a captured function they are freed without it.
 */
export interface Accumulator<X> extends Disposable {
  /** Batches since the last `take`. */
  readonly count: number;
  /** @throws SnoopiError when the gradients are not those of the same parameters. */
  add(gradients: X): void;
  /** The mean over the batches, in f32 where the gradients are f16; starts anew. @throws SnoopiError when none was added. */
  take(): X;
  tensors(): Tensor[];
}

/**
 * A view of a sum, which forces it to be stored. Sums that read each other directly would become one kernel, which holds the gradients of
 * every batch until the last.
 */
const stored = alias;

export function accumulator<X>(): Accumulator<X> {
  let sums: Tensor[] = [];
  let first: X | undefined;
  let count = 0;
  const clear = () => {
    for (const t of sums) t.dispose();
    [sums, first, count] = [[], undefined, 0];
  };
  return {
    get count() {
      return count;
    },
    add(gradients) {
      noGrad(() => {
        if (first === undefined) {
          sums = [...named(gradients, "accumulator").values()].map((g) =>
            keep(scope(() => stored(cast(g, g.dtype === "f16" ? "f32" : g.dtype)))),
          );
          let next = 0;
          first = mapTree(gradients, () => sums[next++]);
        } else {
          const own = gradientsFor(named(first, "accumulator"), gradients, "accumulator");
          scope(() => {
            own.forEach((g, i) => {
              sums[i].assign(stored(add(sums[i], cast(g, sums[i].dtype))));
            });
          });
        }
      });
      count++;
    },
    take() {
      if (first === undefined) throw new SnoopiError("accumulator: no gradients were added. Add those of at least one batch.");
      const mean = noGrad(() => mapTree(first as X, (t) => mul(t, 1 / count)));
      clear();
      return mean;
    },
    tensors: () => [...sums],
    [Symbol.dispose]: clear,
  };
}
