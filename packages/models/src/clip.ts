import {
  add,
  arange,
  attention,
  gelu,
  embedding as lookUp,
  OpError,
  quickGelu,
  reshape,
  SnoopiError,
  show,
  type Tensor,
  tensor,
} from "@snoopi/core";
import { mergeHeads, splitHeads } from "./attention.ts";
import type { ClipTextConfig } from "./checkpoint/config-clip.ts";
import { embedding, layerNorm, linear } from "./layers.ts";
import type { Params } from "./params.ts";

// The text half of CLIP: OpenAI's CLIP-L (quick_gelu) and OpenCLIP's H and bigG (gelu) differ in their configuration only.

/** A checkpoint's parsed config, with any activation that {@link activationOf} knows. */
export type ClipTextSizes = Omit<ClipTextConfig, "ignored" | "hiddenAct"> & { readonly hiddenAct: string };

export interface ClipTextOptions {
  /** Layers left out at the end: 1 takes the penultimate layer's output, still through the final layer norm. Default 0. */
  readonly clipSkip?: number;
}

/** The encoder's outputs for `ids [B, L]`. Each is computed only if it is read. */
export interface ClipText {
  /** `[B, L, width]` each: the embeddings, then every layer's output *before* the final layer norm. SDXL reads `hidden.at(-2)`. */
  readonly hidden: readonly Tensor[];
  /** `[B, L, width]`: after the final layer norm, `clipSkip` layers early. What Stable Diffusion 1 and 2 read. */
  readonly last: Tensor;
  /** `[B, width]`: the full stack's normalised state at one token of each text, through `text_projection` if the model has one. */
  pooled(ends: readonly number[]): Tensor;
}

/** Activations by the names that transformers gives them. */
const activations: ReadonlyMap<string, (x: Tensor) => Tensor> = new Map([
  ["quick_gelu", quickGelu],
  ["gelu", (x: Tensor) => gelu(x)],
  ["gelu_new", (x: Tensor) => gelu(x, { approximate: "tanh" })],
  ["gelu_pytorch_tanh", (x: Tensor) => gelu(x, { approximate: "tanh" })],
]);

/** The activation of that name, or an error that lists the known ones. */
export function activationOf(name: string): (x: Tensor) => Tensor {
  const found = activations.get(name);
  if (found) return found;
  throw new SnoopiError(
    `text_encoder: the activation is ${JSON.stringify(name)}. Only ${[...activations.keys()].join(", ")} are supported.`,
  );
}

/**
 * CLIP's text encoder: `ids [B, L]` (i32 or u32, L up to `maxPositionEmbeddings`) to its hidden states in f32. Attention is causal;
 * padding is not masked, as in every Stable Diffusion pipeline. Parameters are named as in transformers, without `text_model.`.
 */
export function clipText(p: Params, config: ClipTextSizes) {
  const { hiddenSize: width, vocabSize, maxPositionEmbeddings, numHiddenLayers, layerNormEps: eps } = config;
  const tokens = embedding(p.at("embeddings.token_embedding"), vocabSize, width);
  const positions = embedding(p.at("embeddings.position_embedding"), maxPositionEmbeddings, width);
  const layers = Array.from({ length: numHiddenLayers }, (_, i) => clipLayer(p.at(`encoder.layers.${i}`), config));
  const norm = layerNorm(p.at("final_layer_norm"), width, { eps });
  const project = config.withProjection ? linear(p.at("text_projection"), width, config.projectionDim, { bias: false }) : (x: Tensor) => x;

  return (ids: Tensor, { clipSkip = 0 }: ClipTextOptions = {}): ClipText => {
    if (ids.rank !== 2) throw new OpError("clipText", `ids are ${show(ids.shape)}, expected [batch, tokens]`);
    const [batch, length] = ids.shape;
    if (length < 1 || length > maxPositionEmbeddings) {
      throw new OpError(
        "clipText",
        `ids are ${show(ids.shape)}: a text has ${length} tokens and the model reads 1 to ${maxPositionEmbeddings}`,
      );
    }
    if (!Number.isInteger(clipSkip) || clipSkip < 0 || clipSkip > numHiddenLayers) {
      throw new OpError("clipText", `clipSkip is ${clipSkip}, expected a whole number from 0 to the model's ${numHiddenLayers} layers`);
    }
    const at = positions(arange(length, { dtype: "i32", device: ids.device }));
    const hidden = [add(tokens(ids), at)];
    for (const layer of layers) hidden.push(layer(hidden[hidden.length - 1]));
    return {
      hidden,
      last: norm(hidden[numHiddenLayers - clipSkip]),
      pooled(ends) {
        if (ends.length !== batch || !ends.every((end) => Number.isInteger(end) && end >= 0 && end < length)) {
          throw new OpError("clipText", `the ends are ${show(ends)}, expected ${batch} positions from 0 to ${length - 1}`);
        }
        const rows = tensor(
          Int32Array.from(ends, (end, text) => text * length + end),
          { device: ids.device },
        );
        return project(lookUp(reshape(norm(hidden[numHiddenLayers]), [-1, width]), rows));
      },
    };
  };
}

/** One pre-norm transformer layer, `[B, L, width]` to the same. */
function clipLayer(p: Params, config: ClipTextSizes) {
  const { hiddenSize: width, intermediateSize: inner, layerNormEps: eps } = config;
  const norm1 = layerNorm(p.at("layer_norm1"), width, { eps });
  const attend = causalAttention(p.at("self_attn"), width, config.numAttentionHeads);
  const norm2 = layerNorm(p.at("layer_norm2"), width, { eps });
  const fc1 = linear(p.at("mlp.fc1"), width, inner);
  const fc2 = linear(p.at("mlp.fc2"), inner, width);
  const activation = activationOf(config.hiddenAct);
  return (x: Tensor): Tensor => {
    const h = add(x, attend(norm1(x)));
    return add(h, fc2(activation(fc1(norm2(h)))));
  };
}

function causalAttention(p: Params, width: number, heads: number) {
  const toQ = linear(p.at("q_proj"), width, width);
  const toK = linear(p.at("k_proj"), width, width);
  const toV = linear(p.at("v_proj"), width, width);
  const toOut = linear(p.at("out_proj"), width, width);
  return (x: Tensor): Tensor => {
    const [q, k, v] = [toQ, toK, toV].map((to) => splitHeads(to(x), heads));
    return toOut(mergeHeads(attention(q, k, v, { causal: true })));
  };
}
