/** Which tensor of a low-rank pair: `down` is A, `up` is B, and `alpha` their factor's numerator. */
export type LoraPart = "down" | "up" | "alpha";

/** How the names of a LoRA file end: PEFT's, kohya's, and diffusers' of 2023, of text encoders too. */
const endings: readonly (readonly [RegExp, LoraPart])[] = [
  [/\.lora_A(\.[^.]+)?\.weight$/, "down"],
  [/\.lora_B(\.[^.]+)?\.weight$/, "up"],
  [/\.lora_down\.weight$/, "down"],
  [/\.lora_up\.weight$/, "up"],
  [/[._]lora\.down\.weight$/, "down"],
  [/[._]lora\.up\.weight$/, "up"],
  [/\.lora_linear_layer\.down\.weight$/, "down"],
  [/\.lora_linear_layer\.up\.weight$/, "up"],
  [/\.alpha$/, "alpha"],
];

/** The layer that a tensor of a LoRA file is for, by its name in the file, and its part; undefined if it is not of a low-rank pair. */
export function loraName(name: string): { readonly module: string; readonly part: LoraPart } | undefined {
  const found = endings.find(([ending]) => ending.test(name));
  return found && { module: name.replace(found[0], ""), part: found[1] };
}

/** Whether a tensor is half of a low-rank pair. */
export const isLoraName = (name: string): boolean => ["down", "up"].includes(loraName(name)?.part ?? "");

/** A module's name, the same for every format: kohya's files have underscores where others have dots. */
export const loraKey = (module: string): string =>
  module
    .replace(/\.processor\./, ".")
    .replaceAll(".", "_")
    .replace(/^lora_/, "");

/** Prefixes of a layer's path in {@link loraKey}, by component. An empty one means the network that denoises; PEFT's own can mean any. */
const prefixes = {
  unet: ["unet_", "", "base_model_model_"],
  transformer: ["transformer_", "", "base_model_model_"],
  text_encoder: ["text_encoder_", "te_", "te1_", "base_model_model_"].flatMap((prefix) => [prefix, `${prefix}text_model_`]),
} as const;

export type LoraComponent = keyof typeof prefixes;

/** Whether a {@link loraKey} is of a text encoder by its prefix, including the second and third of other models. */
export const isTextKey = (key: string): boolean => /^(te|text_encoder_?)\d?_/.test(key);

/** All keys that mean the layer at `path`. Older diffusers wrote `to_out` for `to_out.0`, and `to_q` for CLIP's `q_proj` and so on. */
export function loraKeysOf(component: LoraComponent, path: string): string[] {
  const before = path.replace(/\.to_out\.0$/, ".to_out").replace(/\.self_attn\.(q|k|v|out)_proj$/, ".self_attn.to_$1");
  return [...new Set([path, before])].flatMap((one) => prefixes[component].map((prefix) => prefix + one.replaceAll(".", "_")));
}
