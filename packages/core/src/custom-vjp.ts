import { OpError } from "./error.ts";
import type { Pullback } from "./op.ts";
import { alias } from "./ops/movement.ts";
import { sameShape, show } from "./shape.ts";
import { noGrad, recordOnTapes } from "./tape.ts";
import { isTensor, type Tensor } from "./tensor.ts";

export interface CustomVjp {
  /** Named in errors. */
  readonly name: string;
  /** The output, or an array of the output and whatever else `backward` reads, such as further results of a kernel. */
  forward(...inputs: Tensor[]): Tensor | readonly [output: Tensor, ...saved: Tensor[]];
  /**
   * One cotangent per input, null where there is none. Built from ops, so that it can be differentiated again where its ops can, but only
   * through inputs and output, not through what `forward` saved.
   */
  backward(
    g: Tensor,
    ctx: Pick<Pullback<unknown>, "inputs" | "output"> & { readonly saved: readonly Tensor[] },
  ): readonly (Tensor | null)[];
}

/**
 * A function with a custom gradient: `forward` is not differentiated through. Either direction may be JavaScript over tensors, or WGSL by
 * `wgslOp` of `@snoopi/kernels`.
 * @throws OpError when `backward` returns another number of cotangents than there are inputs
 */
export function customVjp({ name, forward, backward }: CustomVjp): (...inputs: Tensor[]) => Tensor {
  const notAgain = () => {
    throw new OpError(name, "the gradient of its gradient goes through what forward saved", "Let backward read inputs and output only.");
  };
  return (...inputs) => {
    const [output, ...saved] = noGrad(() => {
      const made = forward(...inputs);
      // Fresh nodes, even if `forward` returns an input: the tape tells values apart by their nodes.
      return (isTensor(made) ? [made] : made).map(alias);
    });
    // Recorded before the call that reads them. They get a cotangent only when the backward pass is itself differentiated.
    for (const kept of saved) recordOnTapes({ name, vjp: notAgain }, inputs, kept, undefined);
    const vjp = (g: Tensor, ctx: Pick<Pullback<unknown>, "inputs" | "output">): readonly (Tensor | null)[] => {
      const [own, kept] = [ctx.inputs.slice(0, inputs.length), ctx.inputs.slice(inputs.length)];
      const cotangents = backward(g, { inputs: own, output: ctx.output, saved: kept });
      if (cotangents.length !== inputs.length)
        throw new OpError(name, `backward returned ${cotangents.length} cotangents for ${inputs.length} inputs`, "Use null for none.");
      cotangents.forEach((c, i) => {
        const { shape } = own[i];
        if (c && !sameShape(c.shape, shape))
          throw new OpError(name, `backward returned ${show(c.shape)} for input ${i}, which is ${show(shape)}`);
      });
      return cotangents;
    };
    recordOnTapes({ name, vjp }, [...inputs, ...saved], output, undefined);
    return output;
  };
}

/** The same value, through which no gradient flows. */
export const stopGradient = (x: Tensor): Tensor => noGrad(() => alias(x));
