import { expect, test } from "vitest";
import { clipTextConfig } from "./config-clip.ts";
import { t5Config } from "./config-t5.ts";

test("a CLIP text encoder's omitted keys take transformers' defaults; bookkeeping is no news", () => {
  expect(clipTextConfig({ torch_dtype: "float16", transformers_version: "4.22", bos_token_id: 0, odd: 1 })).toEqual({
    vocabSize: 49408,
    hiddenSize: 512,
    intermediateSize: 2048,
    numHiddenLayers: 12,
    numAttentionHeads: 8,
    maxPositionEmbeddings: 77,
    hiddenAct: "quick_gelu",
    layerNormEps: 1e-5,
    projectionDim: 512,
    withProjection: false,
    eosTokenId: 49407,
    ignored: ["odd"],
  });
  expect(clipTextConfig({ architectures: ["CLIPTextModelWithProjection"] }).withProjection).toBe(true);
  expect(clipTextConfig({ model_type: "clip", text_config: { hidden_size: 64, num_attention_heads: 2 } }).hiddenSize).toBe(64);
});

test("a whole CLIP projects its text to its own width, whatever its text half says", () => {
  const whole = { model_type: "clip", text_config: { projection_dim: 32 } };
  expect(clipTextConfig({ ...whole, projection_dim: 16 }).projectionDim).toBe(16);
  expect(clipTextConfig(whole).projectionDim).toBe(512);
});

test.each<[Record<string, unknown>, string]>([
  [{ model_type: "t5" }, 'text_encoder: model_type is "t5", only "clip_text_model" is supported.'],
  [{ hidden_act: "relu" }, 'text_encoder: hidden_act is "relu", only "quick_gelu", "gelu" is supported.'],
  [{ hidden_size: 100 }, "text_encoder: hidden_size is 100, not a multiple of num_attention_heads, 8."],
])("a text encoder with %j is refused", (json, message) => {
  expect(() => clipTextConfig(json)).toThrow(message);
});

test("a T5's omitted keys take transformers' defaults; bookkeeping and the decoder's are no news", () => {
  expect(t5Config({ num_decoder_layers: 6, decoder_start_token_id: 0, tie_word_embeddings: false, output_past: true, odd: 1 })).toEqual({
    vocabSize: 32128,
    dModel: 512,
    dKv: 64,
    dFf: 2048,
    numLayers: 6,
    numHeads: 8,
    relativeAttentionNumBuckets: 32,
    relativeAttentionMaxDistance: 128,
    layerNormEpsilon: 1e-6,
    denseActFn: "relu",
    isGatedAct: false,
    ignored: ["odd"],
  });
});

test("a T5's feed-forward is what feed_forward_proj says, unless the two keys of newer files say otherwise", () => {
  const of = (json: Record<string, unknown>) => {
    const { denseActFn, isGatedAct } = t5Config(json);
    return [denseActFn, isGatedAct];
  };
  expect(of({ feed_forward_proj: "relu" })).toEqual(["relu", false]);
  expect(of({ feed_forward_proj: "gated-gelu" })).toEqual(["gelu_new", true]);
  expect(of({ feed_forward_proj: "gated-gelu", dense_act_fn: "gelu_new", is_gated_act: true })).toEqual(["gelu_new", true]);
  expect(of({ dense_act_fn: "gelu_new", is_gated_act: true })).toEqual(["gelu_new", true]);
  expect(of({ feed_forward_proj: "gated-gelu", dense_act_fn: "relu", is_gated_act: false })).toEqual(["relu", false]);
});

test.each<[Record<string, unknown>, string]>([
  [{ model_type: "umt5" }, 'text_encoder: model_type is "umt5", only "t5" is supported.'],
  [{ is_decoder: true }, "text_encoder: is_decoder is true, only false is supported."],
  [{ feed_forward_proj: "gated-silu" }, 'text_encoder: feed_forward_proj is "gated-silu", only "relu", "gated-gelu" is supported.'],
  [{ dense_act_fn: "gelu" }, 'text_encoder: dense_act_fn is "gelu", only "relu", "gelu_new" is supported.'],
  [{ is_gated_act: 1 }, "text_encoder: is_gated_act is 1, expected true or false."],
  [{ d_kv: 0 }, "text_encoder: d_kv is 0, expected a positive whole number."],
  [{ num_layers: null }, "text_encoder: num_layers is null, expected a positive whole number."],
  [{ layer_norm_epsilon: "1e-6" }, 'text_encoder: layer_norm_epsilon is "1e-6", expected a number.'],
  [
    { relative_attention_num_buckets: 3 },
    "text_encoder: relative_attention_num_buckets is 3, expected at least 4: near and far, on either side.",
  ],
  [
    { relative_attention_max_distance: 8 },
    "text_encoder: relative_attention_max_distance is 8, expected more than 8, a quarter of the 32 buckets.",
  ],
])("a T5 with %j is refused", (json, message) => {
  expect(() => t5Config(json)).toThrow(message);
});
