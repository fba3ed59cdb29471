import { keep } from "@snoopi/core";
import type { Context, CrossAttention, KeysValues } from "@snoopi/models";

/** The keys and values of one context in every layer that asks. */
export interface ContextCache extends Disposable {
  (layer: CrossAttention): KeysValues;
}

/**
 * Projects `context` by each layer's own weights, once a layer. With `cache: false` every call projects anew: what training needs,
 * where the weights change and gradients flow through the projection.
 */
export function contextCache(context: Context, { cache = true }: { readonly cache?: boolean } = {}): ContextCache {
  const known = new Map<string, { readonly from: CrossAttention["keysValues"]; readonly kv: KeysValues }>();
  const forget = ({ kv: { k, v } }: { readonly kv: KeysValues }) => {
    k.dispose();
    v.dispose();
  };
  const of = (layer: CrossAttention): KeysValues => {
    if (!cache) return layer.keysValues(context);
    const found = known.get(layer.path);
    if (found?.from === layer.keysValues) return found.kv;
    // A layer of that name in another network has other projections.
    if (found) forget(found);
    const { k, v, mask } = layer.keysValues(context);
    const kv = { k: keep(k), v: keep(v), ...(mask && { mask }) };
    known.set(layer.path, { from: layer.keysValues, kv });
    return kv;
  };
  return Object.assign(of, {
    [Symbol.dispose]() {
      for (const entry of known.values()) forget(entry);
      known.clear();
    },
  });
}
