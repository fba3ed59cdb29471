import { embedding, fillUniform, fromData, type Key, OpError, reshape, SnoopiError, scope, show, type Tensor } from "@snoopi/core";
import type { Context } from "@snoopi/models";

/**
 * Draws the negatives of a pool of `size` that a batch trains away from (NASA-T), uniformly: one per sample, or one for all with `"batch"`.
 * @throws SnoopiError for a size that is not a whole number above 0.
 */
export function drawNegatives(
  size: number,
  { batch, key, per = "sample" }: { readonly batch: number; readonly key: Key; readonly per?: "batch" | "sample" },
): number[] {
  if (!Number.isSafeInteger(size) || size < 1) throw new SnoopiError(`negatives: a pool of ${size}. Give a whole number above 0.`);
  const drawn = new Float32Array(batch);
  fillUniform(key, 0, drawn);
  return Array.from(drawn, (u) => Math.floor((per === "batch" ? drawn[0] : u) * size));
}

/** Encoded negatives `[N, L, D]` and their indices → the context of a batch, `[B, L, D]`. */
export function pickNegatives(pool: Tensor, indices: readonly number[]): Context {
  if (pool.rank !== 3) throw new OpError("pickNegatives", `the pool is ${show(pool.shape)}, expected [N, L, D]`);
  const [size, length, width] = pool.shape;
  const strange = indices.find((i) => !(Number.isInteger(i) && i >= 0 && i < size));
  if (strange !== undefined) throw new OpError("pickNegatives", `there is no negative ${strange} among ${size}`);
  const ids = () => fromData(Int32Array.from(indices), { shape: [indices.length], dtype: "i32", device: pool.device });
  return { tokens: scope(() => reshape(embedding(reshape(pool, [size, length * width]), ids()), [-1, length, width])) };
}
