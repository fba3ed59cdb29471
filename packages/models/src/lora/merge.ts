import {
  abs,
  add,
  amax,
  type Device,
  fromData,
  keep,
  matmul,
  mul,
  noGrad,
  realize,
  reshape,
  SnoopiError,
  scope,
  type Tensor,
} from "@snoopi/core";
import type { Lora } from "./lora.ts";
import type { LoraChange } from "./match.ts";

/** `factor · B A`, to be added to a weight of its size. A is `[rank, …]`, B `[out, rank]`, both with any ones at the end. */
export interface LowRank {
  readonly a: Tensor;
  readonly b: Tensor;
  readonly factor: number;
}

/** `W + Σ factor · B A`, summed in f32 at least and then in W's own type. */
export const addLowRank = (weight: Tensor, pairs: readonly LowRank[]): Tensor => sumOf(weight, pairs).to(weight.dtype);

function sumOf(weight: Tensor, pairs: readonly LowRank[]): Tensor {
  const flat = (t: Tensor) => reshape(t, [t.shape[0], -1]);
  return pairs.reduce((w, { a, b, factor }) => add(w, mul(reshape(matmul(flat(b), flat(a)), weight.shape), factor)), weight);
}

/**
 * The weight with what LoRAs add to it, computed now. It belongs to no scope.
 * @throws SnoopiError when a LoRA has values that are not finite, or the sum is too large for a weight in f16.
 */
export async function withChanges(weight: Tensor, changes: readonly LoraChange[], device: Device): Promise<Tensor> {
  const owned: Tensor[] = [];
  let merged: Tensor | undefined;
  const tensorOf = async (lora: Lora, name: string) => {
    const { data, shape } = await lora.read(name, { dtype: "f32" });
    // Fail now, and not when a picture is all NaN.
    if (!data.every(Number.isFinite)) throw new SnoopiError(`${lora.name}: "${name}" has values that are infinite or no numbers.`);
    const t = keep(fromData(data, { shape, dtype: "f32", device }));
    owned.push(t);
    return t;
  };
  try {
    const pairs: LowRank[] = [];
    for (const { lora, layer, scale } of changes)
      pairs.push({ a: await tensorOf(lora, layer.down), b: await tensorOf(lora, layer.up), factor: scale * layer.factor });
    const { result, largest } = noGrad(() =>
      scope(() => {
        const sum = sumOf(weight, pairs);
        return { result: sum.to(weight.dtype), largest: amax(abs(sum)) };
      }),
    );
    merged = keep(result);
    owned.push(keep(largest));
    const half = weight.dtype === "f16";
    await realize(half ? [merged, largest] : [merged]);
    if (half) checkHalf((await largest.data())[0], changes);
    return merged;
  } catch (error) {
    merged?.dispose();
    throw error;
  } finally {
    for (const t of owned) t.dispose();
  }
}

/** Fail now, as where weights are read: f16 rounds 65520 and more to infinity. */
function checkHalf(largest: number, changes: readonly LoraChange[]): void {
  if (!(largest >= 65520)) return;
  const all = (names: readonly string[]) => [...new Set(names)].join(" and ");
  const [files, layers] = [all(changes.map(({ lora }) => lora.name)), all(changes.map(({ layer }) => layer.module))];
  throw new SnoopiError(
    `${files}: with ${layers} added a weight reaches ${largest}, and f16 ends at 65504. Give a smaller scale, or weights in f32.`,
  );
}
