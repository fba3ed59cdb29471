import { leaves } from "@snoopi/core";
import { accumulator } from "@snoopi/core/optim";

/**
 * The mean of what is learned from each of several batches, a tree of tensors such as loss and gradients: recorded, and not run. The tensors
 * of each batch are freed. As all that a batch needs was recorded before the next, it is also run before, and memory is that of one batch with
 * the sums. What is learned from a single batch is passed on as it is.
 */
export function meanOver<B, L>(batches: readonly B[], learn: (batch: B) => L): L {
  if (batches.length === 1) return learn(batches[0]);
  using sums = accumulator<L>();
  for (const batch of batches) {
    const learned = learn(batch);
    sums.add(learned);
    for (const t of leaves(learned)) t.dispose();
  }
  return sums.take();
}
