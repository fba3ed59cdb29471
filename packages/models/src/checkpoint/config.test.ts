import { expect, test } from "vitest";
import { autoencoderConfig, autoencoderFactor } from "../autoencoder.ts";
import { clipTextConfig } from "./config-clip.ts";
import { pixartConfig } from "./config-pixart.ts";
import { schedulerConfig } from "./config-scheduler.ts";
import { t5Config } from "./config-t5.ts";
import { unetConfig } from "./config-unet.ts";
import { vaeConfig } from "./config-vae.ts";
import { tinyVaeConfig } from "./config-vae-tiny.ts";

test("a UNet's omitted keys take diffusers' defaults", () => {
  expect(unetConfig({})).toEqual({
    sampleSize: null,
    inChannels: 4,
    outChannels: 4,
    centerInputSample: false,
    flipSinToCos: true,
    freqShift: 0,
    downBlockTypes: ["CrossAttnDownBlock2D", "CrossAttnDownBlock2D", "CrossAttnDownBlock2D", "DownBlock2D"],
    midBlockType: "UNetMidBlock2DCrossAttn",
    upBlockTypes: ["UpBlock2D", "CrossAttnUpBlock2D", "CrossAttnUpBlock2D", "CrossAttnUpBlock2D"],
    blockOutChannels: [320, 640, 1280, 1280],
    layersPerBlock: [2, 2, 2, 2],
    downsamplePadding: 1,
    midBlockScaleFactor: 1,
    actFn: "silu",
    normNumGroups: 32,
    normEps: 1e-5,
    crossAttentionDim: 1280,
    transformerLayersPerBlock: [1, 1, 1, 1],
    attentionHeadDim: [8, 8, 8, 8],
    useLinearProjection: false,
    upcastAttention: false,
    convInKernel: 3,
    convOutKernel: 3,
    ignored: [],
  });
});

test("SD2.1's UNet keeps what its file says, and unknown keys are listed", () => {
  const config = unetConfig({
    _class_name: "UNet2DConditionModel",
    _diffusers_version: "0.10.0.dev0",
    attention_head_dim: [5, 10, 20, 20],
    cross_attention_dim: 1024,
    dual_cross_attention: false,
    num_class_embeds: null,
    only_cross_attention: false,
    sample_size: 96,
    upcast_attention: true,
    use_linear_projection: true,
    addition_embed_type_num_heads: 64,
    something_new: 3,
  });
  expect(config.attentionHeadDim).toEqual([5, 10, 20, 20]);
  expect(config.sampleSize).toEqual([96, 96]);
  expect([config.upcastAttention, config.useLinearProjection]).toEqual([true, true]);
  expect(config.ignored).toEqual(["something_new"]);
});

test("null for a bool is false, swish is silu, a null middle is none", () => {
  const config = unetConfig({ upcast_attention: null, act_fn: "swish", mid_block_type: null, layers_per_block: [1, 2, 3, 4] });
  expect([config.upcastAttention, config.actFn, config.midBlockType, config.layersPerBlock]).toEqual([false, "silu", null, [1, 2, 3, 4]]);
});

test("sample sizes below 64 are those of a file older than diffusers 0.9, and then wrong", () => {
  expect(unetConfig({ sample_size: 32, _diffusers_version: "0.6.0" }).sampleSize).toEqual([64, 64]);
  expect(unetConfig({ sample_size: 32, _diffusers_version: "0.10.0" }).sampleSize).toEqual([32, 32]);
  expect(unetConfig({ sample_size: [16, 24] }).sampleSize).toEqual([16, 24]);
});

test.each<[Record<string, unknown>, string]>([
  [{ _class_name: "UNet2DModel" }, 'unet: _class_name is "UNet2DModel", only "UNet2DConditionModel" is supported.'],
  [{ class_embed_type: "projection" }, 'unet: class_embed_type is "projection", only null is supported.'],
  [{ addition_embed_type: "text_time" }, 'unet: addition_embed_type is "text_time", only null is supported.'],
  [{ time_cond_proj_dim: 256 }, "unet: time_cond_proj_dim is 256, only null is supported."],
  [{ num_attention_heads: 8 }, "unet: num_attention_heads is 8, only null is supported."],
  [{ resnet_time_scale_shift: "scale_shift" }, 'unet: resnet_time_scale_shift is "scale_shift", only "default" is supported.'],
  [
    { only_cross_attention: [true, false, false, false] },
    "unet: only_cross_attention is [true,false,false,false], only false is supported.",
  ],
  [{ act_fn: "mish" }, 'unet: act_fn is "mish", only "silu", "swish" is supported.'],
  [
    { down_block_types: ["KDownBlock2D", "AttnDownBlock2D", "DownBlock2D", "DownBlock2D"] },
    'unet: down_block_types holds "KDownBlock2D", "AttnDownBlock2D", only CrossAttnDownBlock2D, DownBlock2D are supported.',
  ],
  [{ mid_block_type: "UNetMidBlock2DSimpleCrossAttn" }, 'unet: mid_block_type is "UNetMidBlock2DSimpleCrossAttn", only'],
  [{ block_out_channels: [320, 640] }, "unet: down_block_types has 4 blocks and block_out_channels 2. They must agree."],
  [{ block_out_channels: [320, 640, 1280, 1290] }, "unet: block_out_channels[3] is 1290, not a multiple of norm_num_groups, 32."],
  [{ attention_head_dim: [8, 8, 8] }, "unet: attention_head_dim is [8,8,8], expected 4 numbers, one for each of block_out_channels."],
  [{ attention_head_dim: 7 }, "unet: block_out_channels[0] is 320, not a multiple of its 7 heads."],
  [{ cross_attention_dim: [1, 2, 3, 4] }, "unet: cross_attention_dim is [1,2,3,4], only one value for all blocks is supported."],
  [{ in_channels: 4.5 }, "unet: in_channels is 4.5, expected a positive whole number."],
  [{ sample_size: "64" }, 'unet: sample_size is "64", expected a positive whole number, or a height and a width.'],
])("a UNet with %j is refused", (json, message) => {
  expect(() => unetConfig(json)).toThrow(message);
});

test("a PixArt transformer's omitted keys take diffusers' defaults", () => {
  expect(pixartConfig({})).toEqual({
    sampleSize: 128,
    inChannels: 4,
    outChannels: 8,
    patchSize: 2,
    numLayers: 28,
    numAttentionHeads: 16,
    attentionHeadDim: 72,
    attentionBias: true,
    crossAttentionDim: 1152,
    captionChannels: null,
    normEps: 1e-6,
    interpolationScale: 2,
    useAdditionalConditions: true,
    ignored: [],
  });
});

test("PixArt-α is read under its older class's name, with that class's keys", () => {
  const config = pixartConfig({
    _class_name: "Transformer2DModel",
    _diffusers_version: "0.22.0.dev0",
    norm_type: "ada_norm_single",
    caption_channels: 4096,
    sample_size: 64,
    attention_type: "default",
    double_self_attention: false,
    dropout: 0,
    norm_num_groups: 32,
    num_embeds_ada_norm: 1000,
    num_vector_embeds: null,
    only_cross_attention: false,
    upcast_attention: false,
    use_linear_projection: false,
    odd: 1,
  });
  expect(config).toMatchObject({ captionChannels: 4096, interpolationScale: 1, useAdditionalConditions: false, ignored: ["odd"] });
});

test("a PixArt transformer is told sizes at a sample size of 128, unless its file says otherwise", () => {
  const told = (json: Record<string, unknown>) => pixartConfig(json).useAdditionalConditions;
  expect([told({ use_additional_conditions: null }), told({ sample_size: 64 })]).toEqual([true, false]);
  // PixArt-Σ
  expect(told({ use_additional_conditions: false })).toBe(false);
  expect(told({ sample_size: 64, use_additional_conditions: true })).toBe(true);
  const scale = (json: Record<string, unknown>) => pixartConfig(json).interpolationScale;
  expect([scale({ sample_size: 32 }), scale({ interpolation_scale: null }), scale({ interpolation_scale: 0.5 })]).toEqual([1, 2, 0.5]);
  expect(pixartConfig({ in_channels: 3, out_channels: null }).outChannels).toBe(3);
});

test.each<[Record<string, unknown>, string]>([
  [
    { _class_name: "DiTTransformer2DModel" },
    'pixart: _class_name is "DiTTransformer2DModel", only "PixArtTransformer2DModel", "Transformer2DModel" is supported.',
  ],
  [{ _class_name: "Transformer2DModel" }, 'pixart: norm_type is missing, only "ada_norm_single" is supported.'],
  [{ norm_type: "ada_norm_zero" }, 'pixart: norm_type is "ada_norm_zero", only "ada_norm_single" is supported.'],
  [{ norm_elementwise_affine: true }, "pixart: norm_elementwise_affine is true, only false is supported."],
  [{ activation_fn: "geglu" }, 'pixart: activation_fn is "geglu", only "gelu-approximate" is supported.'],
  [{ attention_type: "gated" }, 'pixart: attention_type is "gated", only "default" is supported.'],
  [{ only_cross_attention: true }, "pixart: only_cross_attention is true, only false is supported."],
  [{ cross_attention_dim: null }, "pixart: cross_attention_dim is null, expected a positive whole number."],
  [{ caption_channels: 0 }, "pixart: caption_channels is 0, expected a positive whole number."],
  [{ num_layers: 2.5 }, "pixart: num_layers is 2.5, expected a positive whole number."],
  [
    { caption_channels: 4096, cross_attention_dim: 768 },
    "pixart: cross_attention_dim is 768 and captions are projected to 1152. They must agree.",
  ],
  [{ attention_head_dim: 70, sample_size: 64, num_attention_heads: 1 }, "1 × 70, not a multiple of 4. Positions are sines and cosines"],
  [{ attention_head_dim: 40 }, "16 × 40, not a multiple of 3. Height, width and aspect ratio take a third each."],
  [{ patch_size: 200 }, "pixart: patch_size is 200 and sample_size 128: not one patch fits."],
  [{ interpolation_scale: 0 }, "pixart: interpolation_scale is 0, expected a number above 0."],
])("a PixArt transformer with %j is refused", (json, message) => {
  expect(() => pixartConfig(json)).toThrow(message);
});

test("a VAE's omitted keys take diffusers' defaults", () => {
  expect(vaeConfig({})).toEqual({
    className: "AutoencoderKL",
    inChannels: 3,
    outChannels: 3,
    downBlockTypes: ["DownEncoderBlock2D"],
    upBlockTypes: ["UpDecoderBlock2D"],
    blockOutChannels: [64],
    layersPerBlock: 1,
    actFn: "silu",
    latentChannels: 4,
    normNumGroups: 32,
    sampleSize: 32,
    scalingFactor: 0.18215,
    shiftFactor: null,
    latentsMean: null,
    latentsStd: null,
    forceUpcast: true,
    useQuantConv: true,
    usePostQuantConv: true,
    midBlockAddAttention: true,
    ignored: [],
  });
});

test.each<[Record<string, unknown>, string]>([
  [{ _class_name: "AutoencoderTiny" }, 'vae: _class_name is "AutoencoderTiny", only "AutoencoderKL" is supported.'],
  [{ block_out_channels: [64, 64] }, "vae: down_block_types has 1 blocks and block_out_channels 2. They must agree."],
  [{ block_out_channels: [48] }, "vae: block_out_channels holds 48, not a multiple of norm_num_groups, 32."],
  [{ latents_mean: [1, 2] }, "vae: latents_mean has 2 numbers for 4 latent_channels. They must agree."],
  [
    { down_block_types: ["AttnDownEncoderBlock2D"] },
    'vae: down_block_types holds "AttnDownEncoderBlock2D", only DownEncoderBlock2D are supported.',
  ],
  [{ scaling_factor: 0 }, "vae: scaling_factor is 0, expected a number that can divide."],
])("a VAE with %j is refused", (json, message) => {
  expect(() => vaeConfig(json)).toThrow(message);
});

test("a tiny VAE's omitted keys take diffusers' defaults, and what diffusers writes for its pipelines is no news", () => {
  expect(tinyVaeConfig({ force_upcast: false, block_out_channels: [64, 64, 64, 64], odd: 1 })).toEqual({
    className: "AutoencoderTiny",
    inChannels: 3,
    outChannels: 3,
    encoderBlockOutChannels: [64, 64, 64, 64],
    decoderBlockOutChannels: [64, 64, 64, 64],
    numEncoderBlocks: [1, 3, 3, 3],
    numDecoderBlocks: [3, 3, 3, 1],
    actFn: "relu",
    latentChannels: 4,
    upsamplingScalingFactor: 2,
    latentMagnitude: 3,
    latentShift: 0.5,
    scalingFactor: 1,
    shiftFactor: 0,
    ignored: ["odd"],
  });
});

test.each<[Record<string, unknown>, string]>([
  [{ _class_name: "AutoencoderKL" }, 'vae: _class_name is "AutoencoderKL", only "AutoencoderTiny" is supported.'],
  [{ act_fn: "mish" }, 'vae: act_fn is "mish", only "relu", "silu", "swish", "gelu" is supported.'],
  [{ upsample_fn: "bilinear" }, 'vae: upsample_fn is "bilinear", only "nearest" is supported.'],
  [{ latent_channels: 0 }, "vae: latent_channels is 0, expected a positive whole number."],
  [{ num_encoder_blocks: [1, 3, 3] }, "vae: encoder_block_out_channels has 4 stages and num_encoder_blocks 3. They must agree."],
  [
    { decoder_block_out_channels: [64, 64, 32, 32] },
    "vae: decoder_block_out_channels is [64,64,32,32], expected one width for all stages.",
  ],
  [{ upsampling_scaling_factor: 4 }, "vae: the encoder makes a picture 8 times smaller and the decoder 64 times larger. They must agree."],
  [{ scaling_factor: 0 }, "vae: scaling_factor is 0, expected a number that can divide."],
])("a tiny VAE with %j is refused", (json, message) => {
  expect(() => tinyVaeConfig(json)).toThrow(message);
});

test("a VAE is of either class, by its name; without one it is an AutoencoderKL", () => {
  const configs = [{ block_out_channels: [64], _class_name: "AutoencoderKL" }, { _class_name: "AutoencoderTiny" }, {}].map(
    autoencoderConfig,
  );
  expect(configs.map(({ className }) => className)).toEqual(["AutoencoderKL", "AutoencoderTiny", "AutoencoderKL"]);
  expect(configs.map(autoencoderFactor)).toEqual([1, 8, 1]);
  for (const name of ["VQModel", "toString", ["a"]]) {
    expect(() => autoencoderConfig({ _class_name: name })).toThrow(
      `vae: _class_name is ${JSON.stringify(name)}, only "AutoencoderKL", "AutoencoderTiny" is supported.`,
    );
  }
});

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

// SD1.5's file, which leaves the spacing out.
const pndm = {
  _class_name: "PNDMScheduler",
  beta_end: 0.012,
  beta_schedule: "scaled_linear",
  beta_start: 0.00085,
  num_train_timesteps: 1000,
  set_alpha_to_one: false,
  skip_prk_steps: true,
  steps_offset: 1,
  trained_betas: null,
  clip_sample: false,
};

test("a scheduler's omitted keys take the defaults of its class", () => {
  expect(schedulerConfig(pndm)).toEqual({
    className: "PNDMScheduler",
    numTrainTimesteps: 1000,
    betaStart: 0.00085,
    betaEnd: 0.012,
    betaSchedule: "scaled_linear",
    trainedBetas: null,
    predictionType: "epsilon",
    rescaleBetasZeroSnr: false,
    timestepSpacing: "leading",
    stepsOffset: 1,
    setAlphaToOne: false,
    clipSample: false,
    clipSampleRange: 1,
    ignored: [],
  });
  expect(schedulerConfig({ _class_name: "EulerDiscreteScheduler" }).timestepSpacing).toBe("linspace");
  expect(schedulerConfig({ _class_name: "LCMScheduler" })).toMatchObject({
    betaStart: 8.5e-4,
    betaEnd: 0.012,
    betaSchedule: "scaled_linear",
  });
  expect(schedulerConfig({})).toMatchObject({ betaStart: 1e-4, betaEnd: 0.02, setAlphaToOne: true, clipSample: true });
});

test("read as DDIM, the noise is the file's and the steps are DDIM's", () => {
  expect(schedulerConfig({ _class_name: "PNDMScheduler" }, { as: "DDIMScheduler" }).setAlphaToOne).toBe(true);
  expect(schedulerConfig(pndm, { as: "DDIMScheduler" }).setAlphaToOne).toBe(false);
  expect(schedulerConfig({ _class_name: "LCMScheduler" }, { as: "DDIMScheduler" })).toMatchObject({ betaStart: 8.5e-4, clipSample: true });
  expect(schedulerConfig({ _class_name: "EulerDiscreteScheduler" }, { as: "DDIMScheduler" }).timestepSpacing).toBe("leading");
});

test.each<[Record<string, unknown>, string]>([
  [{ _class_name: "FlowMatchEulerDiscreteScheduler" }, 'scheduler: _class_name is "FlowMatchEulerDiscreteScheduler", only'],
  [{ _class_name: "toString" }, 'scheduler: _class_name is "toString", only'],
  [
    { beta_schedule: "sigmoid" },
    'scheduler: beta_schedule is "sigmoid", only "linear", "scaled_linear", "squaredcos_cap_v2" is supported.',
  ],
  [{ prediction_type: "flow" }, 'scheduler: prediction_type is "flow", only "epsilon", "v_prediction", "sample" is supported.'],
  [{ thresholding: true }, "scheduler: thresholding is true, only false is supported."],
  [{ beta_end: 2 }, "scheduler: beta_end is 2, expected a number between 0 and 1."],
  [{ trained_betas: [0.1] }, "scheduler: trained_betas has 1 numbers for num_train_timesteps 1000. They must agree."],
])("a scheduler with %j is refused", (json, message) => {
  expect(() => schedulerConfig(json)).toThrow(message);
});
