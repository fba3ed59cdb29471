import { join } from "node:path";
import { writeSafetensors } from "@snoopi/models/node";
import type { Network } from "../../pipeline/shape.ts";
import type { Weights } from "../stage.ts";

/** As diffusers' `load_lora_weights` looks for it in a folder, and `generate --lora`. */
const file = "pytorch_lora_weights.safetensors";

/**
 * Writes an adapter, named as `Adapters.tensors` names it, as a LoRA of a component. Its factor, alpha over the rank, is in B, so that all
 * that read such files agree on it, alpha being nowhere or the rank.
 */
export async function writeLora(
  out: string,
  { component, weights, factor }: { readonly component: Network["component"]; readonly weights: Weights; readonly factor: number },
): Promise<void> {
  const tensors = [...weights].map(([name, { shape, data }]) => {
    const own = name.endsWith(".lora_B.weight") ? Float32Array.from(data as Float32Array, (value) => value * factor) : data;
    return [`${component}.${name}`, { dtype: "f32", shape, data: own }] as const;
  });
  await writeSafetensors(join(out, file), tensors, { metadata: { format: "pt" } });
}
