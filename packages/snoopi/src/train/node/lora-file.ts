import { join } from "node:path";
import { writeSafetensors } from "@snoopi/models/node";
import type { Network } from "../../pipeline/shape.ts";
import type { Weights } from "../stage.ts";

/** The name that diffusers' `load_lora_weights` and `generate --lora` look for in a folder. */
const file = "pytorch_lora_weights.safetensors";

/**
 * Writes an adapter, named as `Adapters.tensors` names it, as a LoRA of a component. Its factor, alpha over the rank, is multiplied into B
 * and no alpha is written, so that all readers of such files agree on it.
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
