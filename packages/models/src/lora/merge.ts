import { add, type Device, fromData, keep, matmul, mul, noGrad, realize, reshape, SnoopiError, scope, type Tensor } from "@snoopi/core";
import type { Lora } from "./lora.ts";
import type { LoraChange } from "./match.ts";

/** `factor · B A`, to be added to a weight of its size. A is `[rank, …]`, B `[out, rank]`, both with any ones at the end. */
export interface LowRank {
  readonly a: Tensor;
  readonly b: Tensor;
  readonly factor: number;
}

/** `W + Σ factor · B A`, summed in f32 at least and then in W's own type. */
export function addLowRank(weight: Tensor, pairs: readonly LowRank[]): Tensor {
  const flat = (t: Tensor) => reshape(t, [t.shape[0], -1]);
  const sum = pairs.reduce((w, { a, b, factor }) => add(w, mul(reshape(matmul(flat(b), flat(a)), weight.shape), factor)), weight);
  return sum.to(weight.dtype);
}

/** The weight with what LoRAs add to it, computed now. It belongs to no scope. */
export async function withChanges(weight: Tensor, changes: readonly LoraChange[], device: Device): Promise<Tensor> {
  const read: Tensor[] = [];
  let merged: Tensor | undefined;
  const tensorOf = async (lora: Lora, name: string) => {
    const { data, shape } = await lora.read(name, { dtype: "f32" });
    // Fail now, and not when a picture is all NaN.
    if (!data.every(Number.isFinite)) throw new SnoopiError(`${lora.name}: "${name}" has values that are infinite or no numbers.`);
    const t = keep(fromData(data, { shape, dtype: "f32", device }));
    read.push(t);
    return t;
  };
  try {
    const pairs: LowRank[] = [];
    for (const { lora, layer, scale } of changes)
      pairs.push({ a: await tensorOf(lora, layer.down), b: await tensorOf(lora, layer.up), factor: scale * layer.factor });
    merged = keep(noGrad(() => scope(() => addLowRank(weight, pairs))));
    await realize([merged]);
    return merged;
  } catch (error) {
    merged?.dispose();
    throw error;
  } finally {
    for (const t of read) t.dispose();
  }
}
