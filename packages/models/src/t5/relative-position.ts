import { permute, type Tensor, tensor } from "@snoopi/core";
import type { T5Config } from "../checkpoint/config-t5.ts";
import { embedding } from "../layers.ts";
import type { Params } from "../params.ts";

export type RelativePositionSizes = Pick<T5Config, "relativeAttentionNumBuckets" | "relativeAttentionMaxDistance">;

/**
 * The bucket of a key `distance` tokens after its query: half of the buckets for each side. On a side, half of them hold one distance each;
 * the others grow logarithmically up to the maximal distance, and the last holds all beyond. In f32, as transformers computes it: f64 puts
 * some distances on a boundary into another bucket.
 */
export function relativeBucket(
  distance: number,
  { relativeAttentionNumBuckets, relativeAttentionMaxDistance: farthest }: RelativePositionSizes,
): number {
  const side = Math.floor(relativeAttentionNumBuckets / 2);
  const exact = Math.floor(side / 2);
  const away = Math.abs(distance);
  const first = distance > 0 ? side : 0;
  if (away < exact) return first + away;
  const f32 = Math.fround;
  const share = f32(f32(Math.log(f32(away / exact))) / f32(Math.log(farthest / exact)));
  return first + Math.min(exact + Math.trunc(f32(share * (side - exact))), side - 1);
}

/** The bias on attention scores among `length` tokens: `[1, heads, length, length]`, query by key, from a table `[buckets, heads]`. */
export function relativeBias(p: Params, { numHeads, ...sizes }: RelativePositionSizes & Pick<T5Config, "numHeads">) {
  const table = embedding(p, sizes.relativeAttentionNumBuckets, numHeads);
  return (length: number, like: Tensor): Tensor => {
    const buckets = Int32Array.from({ length: 2 * length - 1 }, (_, i) => relativeBucket(i - (length - 1), sizes));
    const pairs = Int32Array.from({ length: length * length }, (_, i) => {
      const query = Math.floor(i / length);
      return buckets[(i % length) - query + length - 1];
    });
    const bias = table(tensor(pairs, { shape: [1, length, length], device: like.device }));
    return permute(bias, [0, 3, 1, 2]);
  };
}
