import type { Pullback } from "./op.ts";
import { alias } from "./ops/movement.ts";
import { noGrad, recordOnTapes } from "./tape.ts";
import type { Tensor } from "./tensor.ts";

export interface CustomVjp {
  /** Named in errors. */
  readonly name: string;
  forward(...inputs: Tensor[]): Tensor;
  /** One cotangent per input, null where there is none. Built from ops, so that it can be differentiated again. */
  backward(g: Tensor, ctx: Pick<Pullback<unknown>, "inputs" | "output">): readonly (Tensor | null)[];
}

/** A function with a gradient of its own: `forward` is not differentiated through. */
export function customVjp({ name, forward, backward }: CustomVjp): (...inputs: Tensor[]) => Tensor {
  const op = { name, vjp: backward };
  return (...inputs) => {
    // A node of its own, whatever `forward` returns: the tape tells values apart by their nodes.
    const output = noGrad(() => alias(forward(...inputs)));
    recordOnTapes(op, inputs, output, undefined);
    return output;
  };
}

/** The same value, through which no gradient flows. */
export const stopGradient = (x: Tensor): Tensor => noGrad(() => alias(x));
