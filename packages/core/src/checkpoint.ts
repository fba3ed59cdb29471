import { isFloat } from "./dtype.ts";
import { pullBack } from "./grad.ts";
import type { Pullback } from "./op.ts";
import { alias } from "./ops/movement.ts";
import { surroundings } from "./surroundings.ts";
import { listen, noGradFinding, recordOnTapes, Tape } from "./tape.ts";
import type { Tensor } from "./tensor.ts";
import { leaves, mapTree } from "./tree.ts";

/**
 * `fn`, keeping only its inputs for the backward pass and recomputing the rest there (Chen et al. 2016): less memory for more time.
 * Gradients flow to the tensors of the argument, a tree, and to whatever else `fn` reads, such as weights and adapters.
 *
 * `fn` is called again for the backward pass and must compute the same: random numbers must be drawn by key, and tensors it closes over
 * must not be assigned or disposed of in between. Pass those that may be as part of the argument. Values of a {@link surrounding}, such as
 * the adapters in use, are restored for the second call. That call is recorded when it is needed, so the memory plan treats it like
 * everything else.
 */
export function checkpoint<X>(fn: (x: X) => Tensor): (x: X) => Tensor {
  return (x) => {
    const given = leaves(x);
    const back = surroundings();
    // A fresh node, even if `fn` returns an input: the tape tells values apart by their nodes.
    const [output, read] = noGradFinding(() => alias(fn(x)));
    const arguments_ = new Set(given.map((t) => t.node));
    const others = read.filter((t) => !arguments_.has(t.node));
    const again = (tensors: readonly Tensor[]): X => {
      let next = 0;
      return mapTree(x, () => tensors[next++]);
    };
    const backward = (g: Tensor, { inputs }: Pick<Pullback<unknown>, "inputs">) => {
      // Fresh nodes for the arguments; whatever else `fn` reads keeps its node.
      const variables = inputs.map((t, i) => (i < given.length ? alias(t) : t));
      const floats = variables.filter((t) => isFloat(t.dtype));
      using tape = new Tape(floats);
      const output = listen(tape, () => back(() => fn(again(variables))));
      const found = pullBack(
        tape,
        output.node,
        g,
        floats.map((t) => t.node),
      );
      let next = 0;
      return variables.map((t) => (isFloat(t.dtype) ? found[next++] : null));
    };
    recordOnTapes({ name: "checkpoint", vjp: backward }, [...given, ...others], output, undefined);
    return output;
  };
}
