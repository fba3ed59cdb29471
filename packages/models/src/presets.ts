import type { JsonObject } from "./checkpoint/folder.ts";

/**
 * The configs of a published pipeline as its files state them, for `unetConfig`, `clipTextConfig`, `vaeConfig` and `schedulerConfig`:
 * for checkpoints that come without (a single file), and for training from scratch. Keys without effect are left out.
 */
export interface PipelinePreset {
  readonly unet: JsonObject;
  readonly textEncoder: JsonObject;
  readonly vae: JsonObject;
  readonly scheduler: JsonObject;
}

/** The same for a PixArt: for `pixartConfig`, `t5Config`, `vaeConfig` and `schedulerConfig`. */
export interface PixArtPreset extends Omit<PipelinePreset, "unet"> {
  readonly transformer: JsonObject;
}

const unet: JsonObject = {
  _class_name: "UNet2DConditionModel",
  act_fn: "silu",
  block_out_channels: [320, 640, 1280, 1280],
  center_input_sample: false,
  down_block_types: ["CrossAttnDownBlock2D", "CrossAttnDownBlock2D", "CrossAttnDownBlock2D", "DownBlock2D"],
  downsample_padding: 1,
  flip_sin_to_cos: true,
  freq_shift: 0,
  in_channels: 4,
  layers_per_block: 2,
  mid_block_scale_factor: 1,
  norm_eps: 1e-5,
  norm_num_groups: 32,
  out_channels: 4,
  up_block_types: ["UpBlock2D", "CrossAttnUpBlock2D", "CrossAttnUpBlock2D", "CrossAttnUpBlock2D"],
};

const textEncoder: JsonObject = {
  architectures: ["CLIPTextModel"],
  bos_token_id: 0,
  eos_token_id: 2,
  layer_norm_eps: 1e-5,
  max_position_embeddings: 77,
  model_type: "clip_text_model",
  pad_token_id: 1,
  vocab_size: 49408,
};

const vae: JsonObject = {
  _class_name: "AutoencoderKL",
  act_fn: "silu",
  block_out_channels: [128, 256, 512, 512],
  down_block_types: ["DownEncoderBlock2D", "DownEncoderBlock2D", "DownEncoderBlock2D", "DownEncoderBlock2D"],
  in_channels: 3,
  latent_channels: 4,
  layers_per_block: 2,
  norm_num_groups: 32,
  out_channels: 3,
  up_block_types: ["UpDecoderBlock2D", "UpDecoderBlock2D", "UpDecoderBlock2D", "UpDecoderBlock2D"],
};

const scheduler: JsonObject = {
  beta_end: 0.012,
  beta_schedule: "scaled_linear",
  beta_start: 0.00085,
  clip_sample: false,
  num_train_timesteps: 1000,
  set_alpha_to_one: false,
  skip_prk_steps: true,
  steps_offset: 1,
  trained_betas: null,
};

/** Stable Diffusion 1.5: 512×512, predicts noise. */
export const sd15: PipelinePreset = {
  unet: { ...unet, attention_head_dim: 8, cross_attention_dim: 768, sample_size: 64 },
  textEncoder: {
    ...textEncoder,
    hidden_act: "quick_gelu",
    hidden_size: 768,
    intermediate_size: 3072,
    num_attention_heads: 12,
    num_hidden_layers: 12,
    projection_dim: 768,
  },
  vae: { ...vae, sample_size: 512 },
  scheduler: { ...scheduler, _class_name: "PNDMScheduler" },
};

/** Stable Diffusion 2.1: 768×768, predicts velocity. */
export const sd21: PipelinePreset = {
  unet: {
    ...unet,
    attention_head_dim: [5, 10, 20, 20],
    cross_attention_dim: 1024,
    dual_cross_attention: false,
    only_cross_attention: false,
    sample_size: 96,
    upcast_attention: true,
    use_linear_projection: true,
  },
  textEncoder: {
    ...textEncoder,
    hidden_act: "gelu",
    hidden_size: 1024,
    intermediate_size: 4096,
    num_attention_heads: 16,
    // OpenCLIP-H has 24. The last one is not stored, which makes the usual output the penultimate layer's.
    num_hidden_layers: 23,
    projection_dim: 512,
  },
  vae: { ...vae, sample_size: 768 },
  scheduler: { ...scheduler, _class_name: "DDIMScheduler", prediction_type: "v_prediction" },
};

/** The encoder of T5 v1.1 XXL (`google/t5-v1_1-xxl`), which PixArt, Stable Diffusion 3 and Flux have: a `T5EncoderModel`'s config. */
export const t5Xxl: JsonObject = {
  architectures: ["T5EncoderModel"],
  d_ff: 10240,
  d_kv: 64,
  d_model: 4096,
  feed_forward_proj: "gated-gelu",
  layer_norm_epsilon: 1e-6,
  model_type: "t5",
  num_heads: 64,
  num_layers: 24,
  relative_attention_max_distance: 128,
  relative_attention_num_buckets: 32,
  vocab_size: 32128,
};

/** TAESD (`madebyollin/taesd`), the tiny autoencoder for the latents of Stable Diffusion 1 and 2: an `AutoencoderTiny`'s config. */
export const taesd: JsonObject = {
  _class_name: "AutoencoderTiny",
  act_fn: "relu",
  decoder_block_out_channels: [64, 64, 64, 64],
  encoder_block_out_channels: [64, 64, 64, 64],
  in_channels: 3,
  latent_channels: 4,
  latent_magnitude: 3,
  latent_shift: 0.5,
  num_decoder_blocks: [3, 3, 3, 1],
  num_encoder_blocks: [1, 3, 3, 3],
  out_channels: 3,
  scaling_factor: 1,
  upsampling_scaling_factor: 2,
};

/** PixArt-α at 512×512 (`PixArt-alpha/PixArt-XL-2-512x512`): a transformer that predicts noise and a variance, and T5-XXL. */
export const pixart512: PixArtPreset = {
  textEncoder: t5Xxl,
  transformer: {
    _class_name: "Transformer2DModel",
    activation_fn: "gelu-approximate",
    attention_bias: true,
    attention_head_dim: 72,
    caption_channels: 4096,
    cross_attention_dim: 1152,
    in_channels: 4,
    norm_elementwise_affine: false,
    norm_eps: 1e-6,
    norm_type: "ada_norm_single",
    num_attention_heads: 16,
    num_layers: 28,
    out_channels: 8,
    patch_size: 2,
    sample_size: 64,
  },
  // `sd-vae-ft-ema`
  vae: { ...vae, sample_size: 256 },
  scheduler: {
    _class_name: "DPMSolverMultistepScheduler",
    beta_end: 0.02,
    beta_schedule: "linear",
    beta_start: 0.0001,
    num_train_timesteps: 1000,
  },
};
