import { isTensor, keep, reshape, SnoopiError, show, type Tensor } from "@snoopi/core";
import { type Attend, type Context, type CrossAttention, type KeysValues, plain } from "@snoopi/models";

export interface NasaOptions {
  /** The encoded negative prompt. Its length may differ from the positive's; one serves a whole batch. */
  readonly negative: Context;
  /** α ≥ 0: one for all images, or a tensor `[B]`. 0 is no guidance, bit for bit. */
  readonly scale: number | Tensor;
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
export function nasa({ negative, scale }: NasaOptions): Nasa {
  if (isTensor(scale) ? scale.rank !== 1 : !(Number.isFinite(scale) && scale >= 0)) {
    throw new SnoopiError(
      `nasa: the scale is ${isTensor(scale) ? `a tensor ${show(scale.shape)}` : scale}, expected a number ≥ 0 or a tensor [B].`,
    );
  }
  const known = new Map<string, { readonly from: CrossAttention["keysValues"]; readonly away: KeysValues }>();
  const forget = ({ away: { k, v } }: { readonly away: KeysValues }) => {
    k.dispose();
    v.dispose();
  };
  const awayOf = (layer: CrossAttention): KeysValues => {
    const found = known.get(layer.path);
    if (found?.from === layer.keysValues) return found.away;
    // A layer of that name in another network projects otherwise.
    if (found) forget(found);
    const { k, v, mask } = layer.keysValues(negative);
    const away = { k: keep(k), v: keep(v), ...(mask && { mask }) };
    known.set(layer.path, { from: layer.keysValues, away });
    return away;
  };
  const alpha = isTensor(scale) ? reshape(scale, [-1, 1, 1, 1]) : scale;
  if (isTensor(alpha)) keep(alpha);
  const wrap = (attend: Attend = plain): Attend =>
    scale === 0 ? attend : (q, context, layer) => attend(q, context, layer).sub(layer.attend(q, awayOf(layer)).mul(alpha));
  return Object.assign(wrap, {
    [Symbol.dispose]() {
      for (const entry of known.values()) forget(entry);
      known.clear();
      if (isTensor(alpha)) alpha.dispose();
    },
  });
}
