import { customVjp } from "./custom-vjp.ts";
import { isFloat } from "./dtype.ts";
import { vjp } from "./grad.ts";
import type { Tensor } from "./tensor.ts";
import { leaves, mapTree } from "./tree.ts";

/**
 * `fn`, remembering only its inputs for the backward pass and computing the rest again there (Chen et al. 2016): less memory for more
 * time. Gradients flow to the tensors of the argument, a tree; what `fn` takes from its surroundings is a constant.
 *
 * The second run is recorded as it is needed, so the memory plan sees it as it sees everything else.
 */
export function checkpoint<X>(fn: (x: X) => Tensor): (x: X) => Tensor {
  return (x) => {
    const inputs = leaves(x);
    const again = (tensors: readonly Tensor[]): X => {
      let next = 0;
      return mapTree(x, () => tensors[next++]);
    };
    const floats = inputs.map((t) => isFloat(t.dtype));
    const run = customVjp({
      name: "checkpoint",
      forward: (...tensors) => fn(again(tensors)),
      backward(g, { inputs: saved }) {
        const primals = saved.filter((_, i) => floats[i]);
        const [, pull] = vjp((variables: Tensor[]) => {
          let next = 0;
          return fn(again(saved.map((t, i) => (floats[i] ? variables[next++] : t))));
        }, primals);
        const gradients = pull(g);
        let next = 0;
        return floats.map((float) => (float ? gradients[next++] : null));
      },
    });
    return run(...inputs);
  };
}
