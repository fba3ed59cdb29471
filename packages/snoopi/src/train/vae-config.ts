import type { JsonObject } from "@snoopi/models";
import type { TrainConfig } from "./config.ts";

/** diffusers' config.json of the VAE that a training config asks for. */
export function vaeJson({ network }: TrainConfig<"vae">, scalingFactor?: number): JsonObject {
  const { blockOutChannels } = network;
  return {
    _class_name: "AutoencoderKL",
    act_fn: "silu",
    block_out_channels: blockOutChannels,
    down_block_types: blockOutChannels.map(() => "DownEncoderBlock2D"),
    force_upcast: false,
    in_channels: 3,
    latent_channels: network.latentChannels,
    layers_per_block: network.layersPerBlock,
    norm_num_groups: network.normNumGroups,
    out_channels: 3,
    sample_size: network.sampleSize,
    ...(scalingFactor !== undefined && { scaling_factor: scalingFactor }),
    up_block_types: blockOutChannels.map(() => "UpDecoderBlock2D"),
  };
}
