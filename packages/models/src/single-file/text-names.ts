import type { ClipTextConfig } from "../checkpoint/config-clip.ts";
import { renamed } from "./renaming.ts";

/** Prefix of every CLIP that transformers wrote before version 5.6; some old merged checkpoints lost it. */
const prefix = "text_model.";

/** Names of Stable Diffusion 1's CLIP are those of transformers. */
export const clipName = (name: string): string => (/^(embeddings|encoder|final_layer_norm)\./.test(name) ? prefix + name : name);

const ends: readonly (readonly [string, string])[] = [
  ["token_embedding", "embeddings.token_embedding"],
  ["positional_embedding", "embeddings.position_embedding.weight"],
  ["ln_final", "final_layer_norm"],
];

const layerParts = new Map([
  ["ln_1", "layer_norm1"],
  ["ln_2", "layer_norm2"],
  ["mlp.c_fc", "mlp.fc1"],
  ["mlp.c_proj", "mlp.fc2"],
  ["attn.out_proj", "self_attn.out_proj"],
]);

/**
 * Names of Stable Diffusion 2's text encoder, the text tower of OpenCLIP. It stores the layers of queries, keys and values as one: three names, in the
 * order of rows. Its last layer has no name, since its output is not used: the config counts one less.
 */
export function openClipNames({ numHiddenLayers }: ClipTextConfig): (name: string) => readonly string[] | undefined {
  const layers = Array.from({ length: numHiddenLayers }, (_, i) => [`transformer.resblocks.${i}`, `encoder.layers.${i}`] as const);
  const renaming = { modules: new Map([...ends, ...layers]), parts: layerParts };
  return (name) => {
    if (name.startsWith(`transformer.resblocks.${numHiddenLayers}.`)) return [];
    const whole = renamed(name, renaming);
    if (whole === undefined) return undefined;
    const [, layer, end] = /^(.*)\.attn\.in_proj_(weight|bias)$/.exec(whole) ?? [];
    return layer === undefined ? [prefix + whole] : ["q", "k", "v"].map((one) => `${prefix}${layer}.self_attn.${one}_proj.${end}`);
  };
}
