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

/** The layer that a tensor of a LoRA file is for, in the file's own words, and its part; undefined for what is no low-rank pair's. */
export function loraName(name: string): { readonly module: string; readonly part: LoraPart } | undefined {
  const found = endings.find(([ending]) => ending.test(name));
  return found && { module: name.replace(found[0], ""), part: found[1] };
}

/** Whether a tensor is half of a low-rank pair. */
export const isLoraName = (name: string): boolean => ["down", "up"].includes(loraName(name)?.part ?? "");

/** What a module is called whatever the format: kohya's files have underscores where others have dots. */
export const loraKey = (module: string): string =>
  module
    .replace(/\.processor\./, ".")
    .replaceAll(".", "_")
    .replace(/^lora_/, "");

/** What stands before a layer's path in {@link loraKey}, by component. Nothing means the network that denoises, PEFT's own words either. */
const prefixes = {
  unet: ["unet_", "", "base_model_model_"],
  transformer: ["transformer_", "", "base_model_model_"],
  text_encoder: ["text_encoder_", "te_", "te1_", "base_model_model_"].flatMap((prefix) => [prefix, `${prefix}text_model_`]),
} as const;

export type LoraComponent = keyof typeof prefixes;

/** Whether a {@link loraKey} is of a text encoder by its prefix, be it the second or third one of another model. */
export const isTextKey = (key: string): boolean => /^(te|text_encoder_?)\d?_/.test(key);

/** All keys that mean the layer at `path`. Diffusers once called the output of attention `to_out` and not `to_out.0`, and CLIP's like the UNet's. */
export function loraKeysOf(component: LoraComponent, path: string): string[] {
  const before = path.replace(/\.to_out\.0$/, ".to_out").replace(/\.self_attn\.(q|k|v|out)_proj$/, ".self_attn.to_$1");
  return [...new Set([path, before])].flatMap((one) => prefixes[component].map((prefix) => prefix + one.replaceAll(".", "_")));
}
