import { type Shape, SnoopiError } from "@snoopi/core";

/** The networks whose published tensor names differ from what today's libraries write. */
export type NetworkKind = "clip" | "t5" | "unet" | "pixart" | "vae";

/** Which names a file may use: a network's current and older ones, or only the parameters' own. */
export type NameRule = NetworkKind | "as stored";

interface NameRules {
  /** Names of tensors that are no parameters of the network. */
  readonly drop: readonly RegExp[];
  /** Replacements, applied in order. */
  readonly rename: readonly (readonly [RegExp, string])[];
  /** Alias of a tied parameter → its name. An alias is dropped if a file has both, else read in the name's place. */
  readonly tied?: ReadonlyMap<string, string>;
}

const rules: Readonly<Record<NameRule, NameRules>> = {
  clip: {
    // A buffer that old versions saved, and the other half of a full CLIP model.
    drop: [/(^|\.)position_ids$/, /^logit_scale$/, /^vision_model\./, /^visual_projection\./],
    rename: [[/^text_model\./, ""]],
  },
  t5: {
    // The other half of a full T5 model.
    drop: [/^decoder\./, /^lm_head\./],
    rename: [],
    tied: new Map([["encoder.embed_tokens.weight", "shared.weight"]]),
  },
  vae: {
    drop: [],
    // Attention as diffusers named it before 0.17.
    rename: [
      [/(\.attentions\.\d+)\.query\.(weight|bias)$/, "$1.to_q.$2"],
      [/(\.attentions\.\d+)\.key\.(weight|bias)$/, "$1.to_k.$2"],
      [/(\.attentions\.\d+)\.value\.(weight|bias)$/, "$1.to_v.$2"],
      [/(\.attentions\.\d+)\.proj_attn\.(weight|bias)$/, "$1.to_out.0.$2"],
    ],
  },
  unet: { drop: [], rename: [] },
  pixart: {
    // The empty caption's embedding, only for training, and a buffer that is computed.
    drop: [/^caption_projection\.y_embedding$/, /^pos_embed\.pos_embed$/],
    // How early conversions name the two layers of captions and conditions.
    rename: [
      [/^(caption_projection|adaln_single\.emb\.[a-z_]+_embedder)\.mlp\.0\.(weight|bias)$/, "$1.linear_1.$2"],
      [/^(caption_projection|adaln_single\.emb\.[a-z_]+_embedder)\.mlp\.2\.(weight|bias)$/, "$1.linear_2.$2"],
    ],
  },
  "as stored": { drop: [], rename: [] },
};

export interface CanonicalNames {
  /** Canonical name → name in the file. */
  readonly names: ReadonlyMap<string, string>;
  /** Names in the file that are left out. */
  readonly dropped: readonly string[];
}

/**
 * The names our networks use for the tensors of a file: those of diffusers 0.42 and transformers 5.23, CLIP without `text_model.`.
 * Throws when two stored names mean the same parameter and are not known to be tied.
 */
export function canonicalNames(kind: NameRule, stored: Iterable<string>): CanonicalNames {
  const { drop, rename, tied } = rules[kind];
  const all = new Set(stored);
  const names = new Map<string, string>();
  const dropped: string[] = [];
  for (const name of all) {
    const first = tied?.get(name);
    if (drop.some((pattern) => pattern.test(name)) || (first !== undefined && all.has(first))) {
      dropped.push(name);
      continue;
    }
    const canonical = first ?? rename.reduce((text, [pattern, to]) => text.replace(pattern, to), name);
    const other = names.get(canonical);
    if (other !== undefined) throw new SnoopiError(`${kind}: the file holds both "${other}" and "${name}", which are the same parameter.`);
    names.set(canonical, name);
  }
  return { names, dropped };
}

/**
 * Whether a stored tensor can stand where `wanted` is expected: the shapes are equal but for ones at the end.
 * A Linear [C, C] is saved as a 1×1 convolution [C, C, 1, 1] by some converters, and the reverse.
 */
export function fitsShape(stored: Shape, wanted: Shape): boolean {
  const longest = Math.max(stored.length, wanted.length);
  const shortest = Math.min(stored.length, wanted.length);
  for (let i = 0; i < longest; i++) if ((stored[i] ?? 1) !== (wanted[i] ?? 1)) return false;
  return longest === shortest || shortest >= 2;
}
