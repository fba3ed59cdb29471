import { SnoopiError } from "../error.ts";
import { add, div, minimum, mul, sqrt, square } from "../ops/arithmetic.ts";
import { cast } from "../ops/cast.ts";
import { sum } from "../ops/sum.ts";
import { scope } from "../scope.ts";
import { noGrad } from "../tape.ts";
import type { Tensor } from "../tensor.ts";
import { leaves, mapTree } from "../tree.ts";

/** The Euclidean norm of all elements of all tensors of a tree, in f32 (f64 where any is). NaN when any of them is. */
export function globalNorm(tree: unknown): Tensor {
  const tensors = leaves(tree);
  if (tensors.length === 0) throw new SnoopiError("globalNorm: there are no tensors. Pass them in an array or a plain object.");
  return scope(() => sqrt(tensors.map((t) => sum(square(t.dtype === "f16" ? cast(t, "f32") : t))).reduce((a, b) => add(a, b))));
}

/** The factor that limits gradients of this norm to `maxNorm`, as in PyTorch: `min(maxNorm / (norm + 1e-6), 1)`. */
export function clipFactor(norm: Tensor, maxNorm: number): Tensor {
  if (!(maxNorm > 0)) throw new SnoopiError(`clipGradNorm: maxNorm is ${maxNorm}. Give a number above 0.`);
  return scope(() => minimum(div(maxNorm, add(norm, 1e-6)), 1));
}

/**
 * Gradients scaled down together so that their norm is at most `maxNorm`, and the norm they had: `torch.nn.utils.clip_grad_norm_`.
 * Nothing is read back. When a gradient is not finite neither is the norm, and the results are as useless as PyTorch's: zeros and NaN
 * for an infinite one, NaN throughout for NaN. Use a {@link lossScaler} to leave such a step out.
 */
export function clipGradNorm<X>(gradients: X, maxNorm: number): { readonly gradients: X; readonly norm: Tensor } {
  return noGrad(() =>
    scope(() => {
      const norm = globalNorm(gradients);
      const factor = clipFactor(norm, maxNorm);
      return { gradients: mapTree(gradients, (g) => cast(mul(g, factor), g.dtype)), norm };
    }),
  );
}
