import { abs, add, leaves, lessEqual, noGrad, realize, SnoopiError, type Tensor } from "@snoopi/core";
import { clipFactor, type Ema, globalNorm, type Optimizer, requireFinite } from "@snoopi/core/optim";

/** Parameters and what moves them. */
export interface Trained {
  /** A tree of tensors: all weights of a network, or those of an adapter. */
  readonly parameters: unknown;
  readonly optimizer: Optimizer;
  readonly ema?: Ema;
  /** Turns gradients into the optimiser's ({@link joined}), if its parameters are a network's end to end. Default as they are. */
  readonly join?: (gradients: unknown) => unknown;
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

/** The result of an update. */
export interface Updated {
  readonly loss: number;
  /** Of the gradients, before clipping. */
  readonly norm: number;
}

/**
 * Runs a recorded step: loss and gradients, then the clipped update and the average. Loss and gradients are freed.
 * @throws SnoopiError, before anything has changed, when the loss or a gradient is not finite; it names such gradients.
 */
export async function update({ optimizer, ema }: Trained, { name, loss, gradients, maxNorm, lr, signal }: UpdateOptions): Promise<Updated> {
  const norm = globalNorm(gradients);
  const factor = clipFactor(norm, maxNorm);
  try {
    await realize([loss, norm, factor, ...leaves(gradients)], signal ? { signal } : {});
    const result = { loss: await loss.item(), norm: await norm.item() };
    if (!cameOut(result)) {
      await requireFinite(gradients);
      throw notFinite(name, result);
    }
    optimizer.step(gradients, { scale: factor, ...(lr !== undefined && { lr }) });
    ema?.update();
    await realize([...optimizer.tensors(), ...(ema?.tensors() ?? [])]);
    return result;
  } finally {
    for (const t of [loss, norm, factor, ...leaves(gradients)]) t.dispose();
  }
}

const largest = 3.4028234663852886e38;

/** {@link cameOut} on the device, as a boolean `[]`: NaN and infinity fail the comparison with the largest f32. */
export const cameOutOnDevice = (loss: Tensor, norm: Tensor): Tensor => lessEqual(add(abs(loss), norm), largest);

/** Loss and gradients of a batch, with the gradients as the optimiser takes them. */
export const joined = <L extends { readonly gradients: unknown }>({ join }: Trained, learned: L): L =>
  join ? { ...learned, gradients: noGrad(() => join(learned.gradients)) } : learned;

/**
 * The same as {@link update}, recorded, not run, for a captured function: the device skips the step when the loss or the norm is
 * not finite. Optimiser and average have to be `gated`, and gradients {@link joined}.
 */
export function recordUpdate(
  { optimizer, ema }: Trained,
  { loss, gradients, maxNorm, lr }: Pick<UpdateOptions, "loss" | "gradients" | "maxNorm"> & { readonly lr?: Tensor },
): { readonly loss: Tensor; readonly norm: Tensor } {
  return noGrad(() => {
    const norm = globalNorm(gradients);
    const finite = cameOutOnDevice(loss, norm);
    optimizer.step(gradients, { scale: clipFactor(norm, maxNorm), finite, ...(lr && { lr }) });
    ema?.update({ finite });
    return { loss, norm };
  });
}

export const cameOut = ({ loss, norm }: Updated): boolean => Number.isFinite(loss) && Number.isFinite(norm);

export const notFinite = (name: string, { loss, norm }: Updated): SnoopiError =>
  new SnoopiError(`${name}: the loss is ${loss} and its gradients' norm ${norm}. It was not updated; lower the rate.`);
