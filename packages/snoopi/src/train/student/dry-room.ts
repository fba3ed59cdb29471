import { bytesOf, createDryDevice, type DryDevice, type DryOptions, type DType, empty, keep, sizeOf, type Tensor } from "@snoopi/core";
import {
  type AutoencoderConfig,
  autoencoderConfig,
  type ClipTextConfig,
  clipTextConfig,
  latentDecoder,
  load,
  manifest,
  type Params,
  params,
  taesd,
  unscaleLatents,
} from "@snoopi/models";
import type { ModelShape } from "../../pipeline/shape.ts";
import { withZeroPadding } from "../../pipeline/zero-padding.ts";
import type { EmbeddingStore } from "../../prompts/cached-embeddings.ts";
import { captions } from "../../world/caption.ts";
import type { ClipImageSizes } from "../clip-image.ts";
import { clipModel } from "../clip-model.ts";
import type { DistillConfig } from "../distill-config.ts";
import { assemble } from "./assemble.ts";
import { clipView, plainPixels } from "./clip-view.ts";
import { type ListBankOptions, listBank, storedBank, worldBank } from "./prompt-bank.ts";
import type { Pairs } from "./regression.ts";

/** What determines the sizes in a distillation. */
export interface DistillSizes {
  readonly model: ModelShape;
  /** The towers of the CLIP loss. Default ViT-B/32's. */
  readonly clip?: { readonly text: ClipTextConfig; readonly image: ClipImageSizes };
  /** The CLIP loss's decoder, if the config names one of its own. Default TAESD's. */
  readonly clipDecoder?: AutoencoderConfig;
}

/** CLIP ViT-B/32, which SwiftBrush v2 names for its CLIP loss. */
const clipB32 = {
  text: clipTextConfig({
    hidden_size: 512,
    intermediate_size: 2048,
    num_attention_heads: 8,
    num_hidden_layers: 12,
    max_position_embeddings: 77,
    projection_dim: 512,
    vocab_size: 49408,
    hidden_act: "quick_gelu",
    layer_norm_eps: 1e-5,
    bos_token_id: 49406,
    eos_token_id: 49407,
    pad_token_id: 49407,
  }),
  image: { imageSize: 224, patchSize: 32, hiddenSize: 768, intermediateSize: 3072, numHiddenLayers: 12, numAttentionHeads: 12 },
};

/**
 * A dry device that notes its largest tensor. Its functions close over nothing else: whatever frees forgotten tensors holds their device,
 * so tensors in the same closure would never be freed.
 */
export function measuring(options: DryOptions) {
  let most = 0;
  const bytes = (dtype: DType, length: number): number => {
    const size = options.bytes?.(dtype, length) ?? length * bytesOf[dtype];
    most = Math.max(most, size);
    return size;
  };
  return { device: createDryDevice({ ...options, bytes }), bytes, largest: () => most };
}

/** Bytes by their purpose. */
export type MemoryPart = readonly [name: string, bytes: number];

/** What exists before the first step of a distillation, as shapes alone, with the memory of what no step changes. */
export function dryRoom(
  config: DistillConfig,
  { model, clip = clipB32, clipDecoder = autoencoderConfig(taesd) }: DistillSizes,
  device: DryDevice,
) {
  const parts: MemoryPart[] = [];
  const part = <R>(name: string, make: () => R): R => {
    const before = device.memory().bytes;
    const made = make();
    parts.push([name, device.memory().bytes - before]);
    return made;
  };
  const blank = (shape: readonly number[], dtype: DType = "f32") => keep(empty(shape, { device, dtype }));
  const weightsOf = (build: (p: Params) => unknown, dtype: DType = "f32") =>
    new Map([...manifest(build)].map(([name, shape]) => [name, blank(shape, dtype)]));
  const network = <N>(build: (p: Params) => N, dtype?: DType) => {
    return { built: build(params(load(weightsOf(build, dtype)))) };
  };

  const { length, width } = model.text;
  const withClip = config.clip.weight > 0;
  const base = part("teacher, frozen", () => weightsOf(model.network.build, config.base));
  const stored = config.embeddings.keep !== "none";
  const text = stored ? undefined : part("text encoder", () => network(model.text.build, config.base));
  const decoderOf = (name: string, vae: AutoencoderConfig) => {
    const { built } = part(name, () => network((p) => latentDecoder(p, vae)));
    return (x0: Tensor) => built(unscaleLatents(x0, vae));
  };
  const decode = decoderOf("decoder", model.vae);
  const decodeForClip = withClip && config.clip.decoder !== null ? decoderOf("decoder for CLIP", clipDecoder) : decode;
  const towers = withClip ? part("CLIP", () => network((p) => clipModel(p, clip))) : undefined;
  const blankIds = (shape: readonly number[]) => empty(shape, { device, dtype: "i32" });
  const tokenize = () => new Int32Array(length);
  const encode = withZeroPadding(model.text, (...ids) => text!.built(...ids), 0);
  const embed = (of: readonly string[]) =>
    towers!.built.text(blankIds([of.length, clip.text.maxPositionEmbeddings]), blankIds([of.length]));
  const store: EmbeddingStore = {
    shape: [length, width],
    dtype: "f32",
    writable: false,
    find: (texts) => ({ data: new Float32Array(texts.length * length * width), missing: [] }),
    add() {},
    stored: (rows) => rows,
  };
  const bankOf = (list: readonly string[], judged: Pick<ListBankOptions, "embed">) =>
    stored ? storedBank(list, store, judged) : listBank(list, { tokenize, encode, ...judged });
  const bank =
    config.prompts === "world"
      ? part("encoded prompts", () =>
          worldBank(
            blank([captions.length + 1, length, width]),
            withClip ? blank([captions.length, clip.text.projectionDim ?? width]) : undefined,
          ),
        )
      : bankOf(["a", "b"], withClip ? { embed } : {});

  const side = (of: number) => (config.size ?? of) / model.factor;
  const latents = [model.vae.latentChannels, side(model.size.height), side(model.size.width)];
  const assembled = assemble({ device, config, network: model.network.build, schedule: model.schedule, base, key: [0, 0] });
  const rows = (): Pairs["noise"] => ({ shape: [1, ...latents], data: new Float32Array(sizeOf(latents)) });
  return {
    parts,
    assembled,
    bank,
    latents,
    // Held, as in a run.
    decode,
    ...(towers && {
      embedLatents: (x0: Tensor) => towers.built.picture(clipView(decodeForClip(x0), { size: clip.image.imageSize, norm: plainPixels })),
    }),
    ...(config.pairs.count > 0 && { pairs: { noise: rows(), x0: rows(), said: new Int32Array(1) } }),
    ...(config.negatives !== null && { negatives: bankOf(["a"], {}) }),
    [Symbol.dispose]: () => assembled[Symbol.dispose](),
  };
}
