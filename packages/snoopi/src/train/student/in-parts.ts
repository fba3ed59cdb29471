import { checkpoint, concat, type Tensor } from "@snoopi/core";

/**
 * Runs a function of samples, `[B, …]` to `[B, …]`, on a few at a time and recomputes each part in the backward pass, so that its
 * activations are those of one part, however large the batch. 0 runs all at once and keeps activations.
 */
export function inParts(each: (x: Tensor) => Tensor, atOnce: number): (x: Tensor) => Tensor {
  if (atOnce === 0) return each;
  const again = checkpoint(each);
  return (x) => {
    const [batch] = x.shape;
    // A single part reaches the same peak in the backward pass either way.
    if (batch <= atOnce) return each(x);
    return concat(
      Array.from({ length: Math.ceil(batch / atOnce) }, (_, i) => again(x.slice([[i * atOnce, Math.min(batch, (i + 1) * atOnce)]]))),
    );
  };
}
