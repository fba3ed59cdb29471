import { leaves } from "@snoopi/core";
import { accumulator } from "@snoopi/core/optim";

/**
 * The mean over batches of what `learn` returns, a tree of tensors such as loss and gradients: recorded, not run. The tensors of each batch
 * are freed. Batches are recorded one after another and run in that order, so memory is that of one batch and the sums. The result of a
 * single batch is returned as it is.
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
