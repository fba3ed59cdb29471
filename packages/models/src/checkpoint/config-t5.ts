import { SnoopiError } from "@snoopi/core";
import { configFields, type ParsedConfig } from "./config-fields.ts";
import type { JsonObject } from "./folder.ts";

/** The encoder's half of `T5Config` in camelCase, every omitted key at transformers' default. */
export interface T5Config extends ParsedConfig {
  readonly vocabSize: number;
  readonly dModel: number;
  /** Width of one head: `dKv · numHeads` need not be `dModel`. */
  readonly dKv: number;
  readonly dFf: number;
  readonly numLayers: number;
  readonly numHeads: number;
  readonly relativeAttentionNumBuckets: number;
  readonly relativeAttentionMaxDistance: number;
  readonly layerNormEpsilon: number;
  readonly denseActFn: "relu" | "gelu_new";
  /** Whether the activation multiplies a second projection: true of version 1.1. */
  readonly isGatedAct: boolean;
}

/** Keys that concern the decoder, training, generation or bookkeeping. */
const withoutEffect = [
  "classifier_dropout",
  "decoder_start_token_id",
  "dropout_rate",
  "dtype",
  "eos_token_id",
  "gradient_checkpointing",
  "initializer_factor",
  "is_encoder_decoder",
  "n_positions",
  "num_decoder_layers",
  "output_past",
  "pad_token_id",
  "scale_decoder_outputs",
  "task_specific_params",
  "tie_word_embeddings",
  "torch_dtype",
  "transformers_version",
  "use_cache",
];

/**
 * Parses and checks the config.json of a T5 and takes the encoder's half. Throws, with the key and its value, for what we do not compute.
 */
export function t5Config(json: JsonObject): T5Config {
  const model = json.model_type ?? "t5";
  if (model !== "t5") throw new SnoopiError(`text_encoder: model_type is ${JSON.stringify(model)}, only "t5" is supported.`);
  const fields = configFields("text_encoder", json);
  fields.skip(["architectures", "model_type", ...withoutEffect]);
  fields.only({ is_decoder: false });
  // Newer files repeat this in two more keys, which take precedence.
  const gated = fields.choice("feed_forward_proj", "relu", ["relu", "gated-gelu"]) === "gated-gelu";
  const config: Omit<T5Config, "ignored"> = {
    vocabSize: fields.count("vocab_size", 32128),
    dModel: fields.count("d_model", 512),
    dKv: fields.count("d_kv", 64),
    dFf: fields.count("d_ff", 2048),
    numLayers: fields.count("num_layers", 6),
    numHeads: fields.count("num_heads", 8),
    relativeAttentionNumBuckets: fields.count("relative_attention_num_buckets", 32),
    relativeAttentionMaxDistance: fields.count("relative_attention_max_distance", 128),
    layerNormEpsilon: fields.number("layer_norm_epsilon", 1e-6),
    denseActFn: fields.choice<"relu" | "gelu_new">("dense_act_fn", gated ? "gelu_new" : "relu", ["relu", "gelu_new"]),
    isGatedAct: fields.bool("is_gated_act", gated),
  };
  const { relativeAttentionNumBuckets: buckets, relativeAttentionMaxDistance: farthest } = config;
  if (buckets < 4) fields.refuse("relative_attention_num_buckets", "expected at least 4: near and far, on either side");
  if (farthest <= Math.floor(buckets / 4)) {
    fields.refuse("relative_attention_max_distance", `expected more than ${Math.floor(buckets / 4)}, a quarter of the ${buckets} buckets`);
  }
  return { ...config, ignored: fields.ignored() };
}
