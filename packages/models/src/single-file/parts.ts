/** The networks in a checkpoint, by their names in a diffusers folder. */
export type Part = "text_encoder" | "unet" | "vae";

export const parts: readonly Part[] = ["text_encoder", "unet", "vae"];

/** Whose names a part's tensors have: CLIP has those of transformers, OpenCLIP its own library's, and the rest LDM's. */
export type Naming = "clip" | "open-clip" | "ldm";

/** Prefixes of a part's tensors in checkpoints of LDM and its successor sgm. */
const prefixes: readonly (readonly [Part, prefix: string, Naming])[] = [
  ["text_encoder", "cond_stage_model.transformer.", "clip"],
  ["text_encoder", "cond_stage_model.model.", "open-clip"],
  ["text_encoder", "conditioner.embedders.0.transformer.", "clip"],
  ["text_encoder", "conditioner.embedders.0.model.", "open-clip"],
  ["unet", "model.diffusion_model.", "ldm"],
  ["vae", "first_stage_model.", "ldm"],
  ["vae", "vae.", "ldm"],
];

/** How to find a part in a checkpoint. */
export interface Place {
  readonly prefix: string;
  readonly naming: Naming;
}

/** The parts that a file has, each by the first of its prefixes that occurs. */
export function partsIn(names: readonly string[]): Map<Part, Place> {
  const found = new Map<Part, Place>();
  for (const [part, prefix, naming] of prefixes)
    if (!found.has(part) && names.some((name) => name.startsWith(prefix))) found.set(part, { prefix, naming });
  return found;
}

/** The part that a tensor seems to belong to, even if its name is unknown. */
export function partOf(name: string): Part {
  if (/^(cond_stage_model|conditioner)\./.test(name)) return "text_encoder";
  return /^(first_stage_model|vae)\./.test(name) ? "vae" : "unet";
}
