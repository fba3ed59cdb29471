import type { JsonObject } from "@snoopi/models";
import type { TrainConfig } from "./config.ts";

/** diffusers' config.json of the UNet that a training config asks for, between an existing VAE and text encoder. */
export function unetJson(
  { network }: TrainConfig<"teacher">,
  { side, channels, textWidth }: { readonly side: number; readonly channels: number; readonly textWidth: number },
): JsonObject {
  const { blockOutChannels } = network;
  return {
    _class_name: "UNet2DConditionModel",
    act_fn: "silu",
    attention_head_dim: network.attentionHeadDim,
    block_out_channels: blockOutChannels,
    center_input_sample: false,
    cross_attention_dim: textWidth,
    down_block_types: blockOutChannels.map(() => "CrossAttnDownBlock2D"),
    downsample_padding: 1,
    flip_sin_to_cos: true,
    freq_shift: 0,
    in_channels: channels,
    layers_per_block: network.layersPerBlock,
    mid_block_scale_factor: 1,
    norm_eps: 1e-5,
    norm_num_groups: network.normNumGroups,
    out_channels: channels,
    sample_size: side,
    up_block_types: blockOutChannels.map(() => "CrossAttnUpBlock2D"),
  };
}

/** diffusers' scheduler_config.json: Stable Diffusion's noise schedule, stepped by DDIM. */
export const schedulerJson = ({ prediction }: Pick<TrainConfig<"teacher">, "prediction">): JsonObject => ({
  _class_name: "DDIMScheduler",
  beta_end: 0.012,
  beta_schedule: "scaled_linear",
  beta_start: 0.00085,
  clip_sample: false,
  num_train_timesteps: 1000,
  prediction_type: prediction,
  set_alpha_to_one: false,
  steps_offset: 1,
});

/** model_index.json of the whole pipeline. */
export const pipelineJson: JsonObject = {
  _class_name: "StableDiffusionPipeline",
  feature_extractor: [null, null],
  image_encoder: [null, null],
  requires_safety_checker: false,
  safety_checker: [null, null],
  scheduler: ["diffusers", "DDIMScheduler"],
  text_encoder: ["transformers", "CLIPTextModel"],
  tokenizer: ["transformers", "CLIPTokenizer"],
  unet: ["diffusers", "UNet2DConditionModel"],
  vae: ["diffusers", "AutoencoderKL"],
};
