import { leaves, realize, SnoopiError, type Tensor } from "@snoopi/core";
import { clipFactor, type Ema, globalNorm, type Optimizer, requireFinite } from "@snoopi/core/optim";

/** Parameters and what moves them. */
export interface Trained {
  /** A tree of tensors: all weights of a network, or those of an adapter. */
  readonly parameters: unknown;
  readonly optimizer: Optimizer;
  readonly ema?: Ema;
}

export interface UpdateOptions {
  /** Named in errors. */
  readonly name: string;
  readonly loss: Tensor;
  readonly gradients: unknown;
  readonly maxNorm: number;
  readonly lr?: number;
  readonly signal?: AbortSignal;
}

/** What a step came to. */
export interface Updated {
  readonly loss: number;
  /** Of the gradients, before clipping. */
  readonly norm: number;
}

/**
 * Runs a step that was recorded: loss and gradients, then the clipped update and the average. Loss and gradients are freed.
 * @throws SnoopiError, before anything has changed, when the loss or a gradient is not finite; it names such gradients.
 */
export async function update({ optimizer, ema }: Trained, { name, loss, gradients, maxNorm, lr, signal }: UpdateOptions): Promise<Updated> {
  const norm = globalNorm(gradients);
  const factor = clipFactor(norm, maxNorm);
  try {
    await realize([loss, norm, factor, ...leaves(gradients)], signal ? { signal } : {});
    const result = { loss: await loss.item(), norm: await norm.item() };
    if (!Number.isFinite(result.loss) || !Number.isFinite(result.norm)) {
      await requireFinite(gradients);
      throw new SnoopiError(
        `${name}: the loss is ${result.loss} and its gradients' norm ${result.norm}. Nothing was updated; lower the rate.`,
      );
    }
    optimizer.step(gradients, { scale: factor, ...(lr !== undefined && { lr }) });
    ema?.update();
    await realize([...optimizer.tensors(), ...(ema?.tensors() ?? [])]);
    return result;
  } finally {
    for (const t of [loss, norm, factor, ...leaves(gradients)]) t.dispose();
  }
}
