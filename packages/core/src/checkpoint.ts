import { customVjp } from "./custom-vjp.ts";
import { isFloat } from "./dtype.ts";
import { pullBack } from "./grad.ts";
import { alias } from "./ops/movement.ts";
import { listen, Tape } from "./tape.ts";
import type { Tensor } from "./tensor.ts";
import { leaves, mapTree } from "./tree.ts";

export interface CheckpointOptions {
  /** Tensors that `fn` takes from its surroundings and that gradients flow to as well: the weights of a block. Asked for at each call. */
  readonly params?: () => unknown;
}

/**
 * `fn`, remembering only its inputs for the backward pass and computing the rest again there (Chen et al. 2016): less memory for more
 * time. Gradients flow to the tensors of the argument, a tree, and to `params`; whatever else `fn` takes from its surroundings is a
 * constant.
 *
 * The second run is recorded as it is needed, so the memory plan sees it as it sees everything else.
 */
export function checkpoint<X>(fn: (x: X) => Tensor, { params = () => [] }: CheckpointOptions = {}): (x: X) => Tensor {
  return (x) => {
    const given = leaves(x);
    const weights = leaves(params());
    const again = (tensors: readonly Tensor[]): X => {
      let next = 0;
      return mapTree(x, () => tensors[next++]);
    };
    const run = customVjp({
      name: "checkpoint",
      forward: () => fn(x),
      backward(g, { inputs }) {
        // Fresh nodes for what is passed in; weights are reached by the nodes they have.
        const variables = inputs.map((t, i) => (i < given.length ? alias(t) : t));
        const floats = variables.filter((t) => isFloat(t.dtype));
        using tape = new Tape(floats);
        const output = listen(tape, () => fn(again(variables)));
        const found = pullBack(
          tape,
          output.node,
          g,
          floats.map((t) => t.node),
        );
        let next = 0;
        return variables.map((t) => (isFloat(t.dtype) ? found[next++] : null));
      },
    });
    return run(...given, ...weights);
  };
}
