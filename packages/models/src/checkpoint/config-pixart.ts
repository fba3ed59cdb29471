import { SnoopiError } from "@snoopi/core";
import { configFields, type ParsedConfig } from "./config-fields.ts";
import type { JsonObject } from "./folder.ts";

/** `PixArtTransformer2DModel`'s config in camelCase, every omitted key at diffusers' default: PixArt-α and PixArt-Σ. */
export interface PixArtConfig extends ParsedConfig {
  /** Side of the latent picture the model was trained on. Positions are scaled to it, whatever the picture's size. */
  readonly sampleSize: number;
  readonly inChannels: number;
  /** Twice `inChannels` where a variance is predicted as well. */
  readonly outChannels: number;
  /** Side of the square of latents that is one token. */
  readonly patchSize: number;
  readonly numLayers: number;
  readonly numAttentionHeads: number;
  /** The **width** of a head, unlike the UNet's key of that name. */
  readonly attentionHeadDim: number;
  /** Whether q, k and v have biases. */
  readonly attentionBias: boolean;
  /** Width of the tokens that cross-attention reads. */
  readonly crossAttentionDim: number;
  /** Width of the text encoder's tokens, which are projected first; null where they are read as they are. */
  readonly captionChannels: number | null;
  /** Of the norms inside blocks; the last norm's is 1e-6. */
  readonly normEps: number;
  /** Positions are divided by it. */
  readonly interpolationScale: number;
  /** Whether the model is told the picture's size and aspect ratio. */
  readonly useAdditionalConditions: boolean;
}

/** Features of other models, each at the only supported value. */
const unsupported = {
  norm_type: "ada_norm_single",
  norm_elementwise_affine: false,
  activation_fn: "gelu-approximate",
  attention_type: "default",
  double_self_attention: false,
  only_cross_attention: false,
  num_vector_embeds: null,
};

/**
 * Parses and checks the config.json of a PixArt transformer, also under the name of its older class. Throws, with the key and its value,
 * for what we do not compute.
 */
export function pixartConfig(json: JsonObject): PixArtConfig {
  const fields = configFields("pixart", json);
  const className = fields.choice("_class_name", "PixArtTransformer2DModel", ["PixArtTransformer2DModel", "Transformer2DModel"]);
  // The older class is a PixArt only if it has this norm.
  if (className === "Transformer2DModel" && json.norm_type === undefined) fields.refuse("norm_type", 'only "ada_norm_single" is supported');
  fields.only(unsupported);
  const sampleSize = fields.count("sample_size", 128);
  const inChannels = fields.count("in_channels", 4);
  const isNull = (key: string) => fields.get(key) === null;
  const told = fields.get("use_additional_conditions") ?? undefined;
  const config: Omit<PixArtConfig, "ignored"> = {
    sampleSize,
    inChannels,
    outChannels: isNull("out_channels") ? inChannels : fields.count("out_channels", 8),
    patchSize: fields.count("patch_size", 2),
    numLayers: fields.count("num_layers", 28),
    numAttentionHeads: fields.count("num_attention_heads", 16),
    attentionHeadDim: fields.count("attention_head_dim", 72),
    attentionBias: fields.bool("attention_bias", true),
    crossAttentionDim: fields.count("cross_attention_dim", 1152),
    captionChannels: fields.get("caption_channels") == null ? null : fields.count("caption_channels", 1),
    normEps: fields.number("norm_eps", 1e-6),
    interpolationScale: fields.maybeNumber("interpolation_scale") ?? Math.max(Math.floor(sampleSize / 64), 1),
    useAdditionalConditions: told === undefined ? sampleSize === 128 : fields.bool("use_additional_conditions", false),
  };
  // For training, for features refused above, or always true here: scores and softmax are in f32.
  fields.skip(["dropout", "norm_num_groups", "num_embeds_ada_norm", "use_linear_projection", "upcast_attention"]);
  checkSizes(config, fields.refuse);
  return { ...config, ignored: fields.ignored() };
}

/** Width of the transformer's tokens: 1152 in the published models. */
export const pixartWidth = ({
  numAttentionHeads,
  attentionHeadDim,
}: Pick<PixArtConfig, "numAttentionHeads" | "attentionHeadDim">): number => numAttentionHeads * attentionHeadDim;

function checkSizes(config: Omit<PixArtConfig, "ignored">, refuse: (key: string, expected: string) => never): void {
  const width = pixartWidth(config);
  const { crossAttentionDim, captionChannels, interpolationScale, patchSize, sampleSize } = config;
  const divides = (parts: number, why: string) => {
    if (width % parts === 0) return;
    const heads = `num_attention_heads × attention_head_dim is ${config.numAttentionHeads} × ${config.attentionHeadDim}`;
    throw new SnoopiError(`pixart: ${heads}, not a multiple of ${parts}. ${why}`);
  };
  divides(4, "Positions are sines and cosines of x and of y.");
  if (config.useAdditionalConditions) divides(3, "Height, width and aspect ratio take a third each.");
  if (captionChannels !== null && crossAttentionDim !== width) {
    throw new SnoopiError(`pixart: cross_attention_dim is ${crossAttentionDim} and captions are projected to ${width}. They must agree.`);
  }
  if (patchSize > sampleSize)
    throw new SnoopiError(`pixart: patch_size is ${patchSize} and sample_size ${sampleSize}: not one patch fits.`);
  if (interpolationScale <= 0) refuse("interpolation_scale", "expected a number above 0");
}
