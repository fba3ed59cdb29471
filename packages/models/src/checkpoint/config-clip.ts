import { SnoopiError } from "@snoopi/core";
import { configFields, type ParsedConfig } from "./config-fields.ts";
import type { JsonObject } from "./folder.ts";

/** `CLIPTextConfig` in camelCase, every omitted key at transformers' default. */
export interface ClipTextConfig extends ParsedConfig {
  readonly vocabSize: number;
  readonly hiddenSize: number;
  readonly intermediateSize: number;
  readonly numHiddenLayers: number;
  readonly numAttentionHeads: number;
  readonly maxPositionEmbeddings: number;
  readonly hiddenAct: "quick_gelu" | "gelu";
  readonly layerNormEps: number;
  readonly projectionDim: number;
  /** Whether the model ends in `text_projection`. */
  readonly withProjection: boolean;
  /** As the file says it: published files say 2, while the token is 49407. */
  readonly eosTokenId: number;
}

/** Keys that concern training, generation or bookkeeping. */
const withoutEffect = [
  "attention_dropout",
  "bos_token_id",
  "chunk_size_feed_forward",
  "dropout",
  "dtype",
  "initializer_factor",
  "initializer_range",
  "output_attentions",
  "output_hidden_states",
  "pad_token_id",
  "return_dict",
  "torch_dtype",
  "transformers_version",
  "use_cache",
];

/**
 * Parses and checks the config.json of a CLIP text encoder, or of a whole CLIP model, whose text half it takes.
 * Throws, with the key and its value, for what we do not compute.
 */
export function clipTextConfig(json: JsonObject): ClipTextConfig {
  const model = json.model_type ?? "clip_text_model";
  const architectures = Array.isArray(json.architectures) ? json.architectures : [];
  if (model === "clip" && typeof json.text_config === "object" && json.text_config !== null) {
    // transformers takes the projection's width from the whole, whatever the half says.
    const inner = { ...(json.text_config as JsonObject), projection_dim: json.projection_dim, model_type: "clip_text_model" };
    return { ...clipTextConfig(inner), withProjection: true };
  }
  if (model !== "clip_text_model") {
    throw new SnoopiError(`text_encoder: model_type is ${JSON.stringify(model)}, only "clip_text_model" is supported.`);
  }
  const fields = configFields("text_encoder", json);
  fields.skip(["architectures", "model_type", ...withoutEffect]);
  const config: Omit<ClipTextConfig, "ignored"> = {
    vocabSize: fields.count("vocab_size", 49408),
    hiddenSize: fields.count("hidden_size", 512),
    intermediateSize: fields.count("intermediate_size", 2048),
    numHiddenLayers: fields.count("num_hidden_layers", 12),
    numAttentionHeads: fields.count("num_attention_heads", 8),
    maxPositionEmbeddings: fields.count("max_position_embeddings", 77),
    hiddenAct: fields.choice<"quick_gelu" | "gelu">("hidden_act", "quick_gelu", ["quick_gelu", "gelu"]),
    layerNormEps: fields.number("layer_norm_eps", 1e-5),
    projectionDim: fields.count("projection_dim", 512),
    withProjection: architectures.includes("CLIPTextModelWithProjection"),
    eosTokenId: fields.number("eos_token_id", 49407),
  };
  if (config.hiddenSize % config.numAttentionHeads !== 0) {
    throw new SnoopiError(
      `text_encoder: hidden_size is ${config.hiddenSize}, not a multiple of num_attention_heads, ${config.numAttentionHeads}.`,
    );
  }
  return { ...config, ignored: fields.ignored() };
}
