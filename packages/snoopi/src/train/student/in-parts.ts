import { checkpoint, concat, type Tensor } from "@snoopi/core";

/**
 * A function of the samples of a batch, `[B, …]` to `[B, …]`, a few at a time, each part computed again on the way back: what it needs in between is
 * then that of one part, however large the batch. 0 at a time is all at once, and kept.
 */
export function inParts(each: (x: Tensor) => Tensor, atOnce: number): (x: Tensor) => Tensor {
  if (atOnce === 0) return each;
  const again = checkpoint(each);
  return (x) => {
    const [batch] = x.shape;
    // One part is at its peak on the way back in any case.
    if (batch <= atOnce) return each(x);
    return concat(
      Array.from({ length: Math.ceil(batch / atOnce) }, (_, i) => again(x.slice([[i * atOnce, Math.min(batch, (i + 1) * atOnce)]]))),
    );
  };
}
