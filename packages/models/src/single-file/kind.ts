import type { TensorEntry } from "../checkpoint/safetensors-header.ts";
import { type Look, type OtherKind, otherKind } from "./other-kinds.ts";
import { type Part, type Place, parts, partsIn } from "./parts.ts";

/** A checkpoint that can be read as a folder. */
export interface CheckpointKind {
  /** Version of Stable Diffusion. */
  readonly version: 1 | 2;
  readonly places: ReadonlyMap<Part, Place>;
}

/** Width of the tokens that cross-attention reads → version of Stable Diffusion. */
const versions: ReadonlyMap<number | undefined, 1 | 2> = new Map([
  [768, 1],
  [1024, 2],
]);

const called: Readonly<Record<Part, string>> = { text_encoder: "text encoder", unet: "UNet", vae: "VAE" };

/**
 * Tells what a safetensors file is by names and shapes alone: a checkpoint of Stable Diffusion 1 or 2, or something else, with what to do about it.
 * With `anySize` the sizes are known from elsewhere, and the text encoder decides the version.
 */
export function kindOf(entries: ReadonlyMap<string, TensorEntry>, { anySize = false } = {}): CheckpointKind | OtherKind {
  const names = [...entries.keys()];
  const look: Look = {
    entries,
    has: (pattern) => names.some((name) => pattern.test(name)),
    shape: (pattern) => entries.get(names.find((name) => pattern.test(name)) ?? "")?.shape,
  };
  const other = otherKind(look);
  if (other) return other;
  const places = partsIn(names);
  const [there, missing] = [parts.filter((part) => places.has(part)), parts.filter((part) => !places.has(part))];
  if (there.length === 0) {
    return {
      is: "not a checkpoint of Stable Diffusion, by the names of its tensors",
      help: "Give one, or a diffusers folder.",
      role: "unknown",
    };
  }
  if (missing.length > 0) {
    return {
      is: `a checkpoint without ${missing.map((part) => `a ${called[part]}`).join(" and without ")}: it has only ${there.map((part) => `a ${called[part]}`).join(" and ")}`,
      help:
        missing.includes("vae") && missing.length === 1
          ? "Use a copy of the model with its VAE included."
          : "Use a complete copy of the model.",
      role: "model",
    };
  }
  if (anySize) return { version: places.get("text_encoder")!.naming === "open-clip" ? 2 : 1, places };
  const width = look.shape(/^model\.diffusion_model\..*\.attn2\.to_k\.weight$/)?.[1];
  const version = versions.get(width);
  if (version !== undefined) return { version, places };
  return {
    is: `a checkpoint whose UNet reads tokens of width ${width ?? "0"}, while Stable Diffusion 1 has 768 and 2 has 1024`,
    help: "Give a checkpoint of one of these, or a diffusers folder.",
    role: "model",
  };
}
