import type { Shape } from "@snoopi/core";
import type { OpenClipSizes } from "@snoopi/models";

// What scripts/golden/judges.py writes of open_clip's networks, in our terms.

interface Config {
  readonly config: {
    readonly embed_dim: number;
    readonly quick_gelu?: boolean;
    readonly vision_cfg: { image_size: number; layers: number; width: number; head_width: number; patch_size: number; mlp_ratio?: number };
    readonly text_cfg: { context_length: number; vocab_size: number; width: number; heads: number; layers: number };
  };
}

/** A network's `open_clip_config.json` as sizes. */
export function clipSizesOf({
  config: { embed_dim: embed, quick_gelu: quickGelu = false, vision_cfg: v, text_cfg: t },
}: Config): OpenClipSizes {
  const inner = Math.floor(v.width * (v.mlp_ratio ?? 4));
  return {
    embed,
    quickGelu,
    image: { size: v.image_size, patch: v.patch_size, width: v.width, layers: v.layers, heads: v.width / v.head_width, inner },
    text: { context: t.context_length, vocab: t.vocab_size, width: t.width, layers: t.layers, heads: t.heads, inner: 4 * t.width },
  };
}

/** A manifest in which one layer stands for all, as `N`, with every layer in it. */
export function everyLayer(compact: { layers: Record<string, number>; tensors: Record<string, number[]> }): Map<string, Shape> {
  const all = new Map<string, Shape>();
  for (const [name, shape] of Object.entries(compact.tensors)) {
    const tower = Object.keys(compact.layers).find((prefix) => name.startsWith(`${prefix}N.`));
    if (tower === undefined) all.set(name, shape);
    else for (let i = 0; i < compact.layers[tower]; i++) all.set(name.replace(".N.", `.${i}.`), shape);
  }
  return all;
}
