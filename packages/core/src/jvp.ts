import { OpError } from "./error.ts";
import { vjp } from "./grad.ts";
import { add, mul } from "./ops/arithmetic.ts";
import { full, zeros } from "./ops/full.ts";
import { sum } from "./ops/sum.ts";
import { scope } from "./scope.ts";
import { sameShape, show } from "./shape.ts";
import type { Tensor } from "./tensor.ts";
import { leaves } from "./tree.ts";

/**
 * The value of `fn` at `primals` and its derivative there along `tangents`, a tree of the same form. Forward mode by two reverse passes:
 * the pullback u ↦ Jᵀu is linear, and the gradient of ⟨Jᵀu, t⟩ in u is J t. Works for every op that can be differentiated twice.
 */
export function jvp<X>(fn: (primals: X) => Tensor, primals: X, tangents: X): [output: Tensor, tangent: Tensor] {
  const [count, directions] = [leaves(primals).length, leaves(tangents)];
  if (directions.length > count) throw new OpError("jvp", `there are ${directions.length} tangents for ${count} primals`);
  leaves(primals).forEach((x, i) => {
    const t = directions[i];
    if (!t || !sameShape(x.shape, t.shape)) throw new OpError("jvp", `the tangent of ${show(x.shape)} is ${t ? show(t.shape) : "missing"}`);
  });
  return scope(() => {
    const [output, pull] = vjp(fn, primals);
    const probe = zeros(output.shape, { dtype: output.dtype, device: output.device });
    const along = (u: Tensor): Tensor =>
      leaves(pull(u))
        .map((g, i) => sum(mul(g, directions[i])))
        .reduce((a, b) => add(a, b));
    const [inner, second] = vjp(along, probe);
    return [output, second(full(inner.shape, 1, { dtype: inner.dtype, device: inner.device }))];
  });
}
