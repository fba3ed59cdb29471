import { expect, test } from "vitest";
import { autoencoderConfig, autoencoderFactor } from "../autoencoder.ts";
import { schedulerConfig } from "./config-scheduler.ts";
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
  expect(config.useLinearProjection).toBe(true);
  expect(config.ignored).toEqual(["something_new"]);
});

test("null for a bool is false, swish is silu, a null middle is none", () => {
  const config = unetConfig({ use_linear_projection: null, act_fn: "swish", mid_block_type: null, layers_per_block: [1, 2, 3, 4] });
  expect([config.useLinearProjection, config.actFn, config.midBlockType, config.layersPerBlock]).toEqual([
    false,
    "silu",
    null,
    [1, 2, 3, 4],
  ]);
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
    useQuantConv: true,
    usePostQuantConv: true,
    midBlockAddAttention: true,
    ignored: [],
  });
});

test("keys about where to compute in f32 are known, and no part of a config, since that is everywhere", () => {
  for (const upcast of [true, false]) {
    expect(vaeConfig({ force_upcast: upcast })).toEqual(vaeConfig({}));
    expect(unetConfig({ upcast_attention: upcast })).toEqual(unetConfig({}));
  }
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
  [{ trained_betas: [0.1, -0.2], num_train_timesteps: 2 }, "scheduler: trained_betas holds -0.2, expected numbers from 0 to 1."],
  [{ trained_betas: [0.1, 1.1], num_train_timesteps: 2 }, "scheduler: trained_betas holds 1.1, expected numbers from 0 to 1."],
])("a scheduler with %j is refused", (json, message) => {
  expect(() => schedulerConfig(json)).toThrow(message);
});

test("a scheduler's own betas may begin without noise and end without signal", () => {
  expect(schedulerConfig({ trained_betas: [0, 0.5, 1], num_train_timesteps: 3 }).trainedBetas).toEqual([0, 0.5, 1]);
});
