import { vjp } from "../grad.ts";
import type { Op } from "../op.ts";
import type { Tensor } from "../tensor.ts";

/** The vjp of an op that equals `composition`, a function of other ops: second derivatives then need no kernels of their own. */
export const vjpOf =
  <A>(composition: (inputs: readonly Tensor[], attrs: A) => Tensor): NonNullable<Op<A>["vjp"]> =>
  (g, { inputs, attrs }) =>
    vjp((primals: readonly Tensor[]) => composition(primals, attrs), inputs)[1](g);
