import { isTensor, keep, reshape, SnoopiError, show, type Tensor } from "@snoopi/core";
import { type Attend, type Context, plain } from "@snoopi/models";
import { contextCache } from "./negative-cache.ts";

export interface NasaOptions {
  /** The encoded negative prompt. Its length may differ from the positive's; one serves a whole batch. */
  readonly negative: Context;
  /** α ≥ 0: one for all images, or a tensor `[B]`. 0 is no guidance, bit for bit. */
  readonly scale: number | Tensor;
  /** Whether to keep the negative's keys and values of each layer. Default true; false where weights train. */
  readonly cache?: boolean;
}

/** An attend function that holds the negative's keys and values. Dispose of it when the negative changes. */
export interface Nasa extends Disposable {
  /** Wraps what cross-attention did before: `plain` unless another method is to run inside. */
  (attend?: Attend): Attend;
}

/**
 * Negative-away steer attention (SNOOPI Eq. 8–10): in every cross-attention layer, before the output projection,
 * `Z = softmax(Q K₊ᵀ/√d) V₊ − α · softmax(Q K₋ᵀ/√d) V₋`. The negative is projected by the layer's own weights and attended under
 * its own mask; self-attention is untouched. No second pass of the network.
 *
 * The negative's keys and values do not depend on the picture: each layer computes them once.
 */
export function nasa({ negative, scale, cache = true }: NasaOptions): Nasa {
  if (isTensor(scale) ? scale.rank !== 1 : !(Number.isFinite(scale) && scale >= 0)) {
    throw new SnoopiError(
      `nasa: the scale is ${isTensor(scale) ? `a tensor ${show(scale.shape)}` : scale}, expected a number ≥ 0 or a tensor [B].`,
    );
  }
  const away = contextCache(negative, { cache });
  const alpha = isTensor(scale) ? reshape(scale, [-1, 1, 1, 1]) : scale;
  if (isTensor(alpha)) keep(alpha);
  const wrap = (attend: Attend = plain): Attend =>
    scale === 0 ? attend : (q, context, layer) => attend(q, context, layer).sub(layer.attend(q, away(layer)).mul(alpha));
  return Object.assign(wrap, {
    [Symbol.dispose]() {
      away[Symbol.dispose]();
      if (isTensor(alpha)) alpha.dispose();
    },
  });
}
