import type { JsonObject } from "@snoopi/models";
import { promptLength, type Vocabulary } from "../world/vocabulary.ts";
import type { TrainConfig } from "./config.ts";

/** transformers' config.json of a CLIPTextModel over a vocabulary in CLIP's order: start and end are its last ids. */
export function textJson({ network }: TrainConfig<"clip">, { vocab, specialTokens }: Vocabulary): JsonObject {
  const [start, end] = [vocab[specialTokens.bos_token], vocab[specialTokens.eos_token]];
  return {
    architectures: ["CLIPTextModel"],
    bos_token_id: start,
    eos_token_id: end,
    hidden_act: "quick_gelu",
    hidden_size: network.hiddenSize,
    intermediate_size: network.intermediateSize,
    layer_norm_eps: 1e-5,
    max_position_embeddings: promptLength,
    model_type: "clip_text_model",
    num_attention_heads: network.numAttentionHeads,
    num_hidden_layers: network.numHiddenLayers,
    pad_token_id: end,
    projection_dim: network.projectionDim,
    vocab_size: Object.keys(vocab).length,
  };
}

/** transformers' config.json of the whole CLIPModel. */
export function clipJson(config: TrainConfig<"clip">, vocabulary: Vocabulary): JsonObject {
  const { network } = config;
  const { architectures: _, ...text } = textJson(config, vocabulary);
  return {
    architectures: ["CLIPModel"],
    logit_scale_init_value: Math.log(1 / 0.07),
    model_type: "clip",
    projection_dim: network.projectionDim,
    text_config: text,
    vision_config: {
      hidden_act: "quick_gelu",
      hidden_size: network.hiddenSize,
      image_size: network.imageSize,
      intermediate_size: network.intermediateSize,
      layer_norm_eps: 1e-5,
      model_type: "clip_vision_model",
      num_attention_heads: network.numAttentionHeads,
      num_hidden_layers: network.numHiddenLayers,
      patch_size: network.patchSize,
      projection_dim: network.projectionDim,
    },
  };
}
