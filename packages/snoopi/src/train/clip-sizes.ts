import { SnoopiError } from "@snoopi/core";
import { type ClipTextConfig, clipTextConfig, type JsonObject } from "@snoopi/models";
import type { ClipImageSizes } from "./clip-image.ts";

export interface ClipSizes {
  readonly text: ClipTextConfig;
  readonly image: ClipImageSizes;
}

/** The towers in transformers' config.json of a CLIPModel. @throws SnoopiError for another model's, and for invalid sizes. */
export function clipSizes(json: JsonObject, where: string): ClipSizes {
  const [textJson, visionJson] = ["text_config", "vision_config"].map((key) => json[key] as JsonObject | undefined);
  if (!textJson || !visionJson) {
    throw new SnoopiError(`${where}: it has no text_config and vision_config, so it is no CLIPModel. Train one with snoopi train clip.`);
  }
  return { text: clipTextConfig({ ...textJson, projection_dim: json.projection_dim }), image: imageSizes(visionJson, where) };
}

function imageSizes(json: JsonObject, where: string): ClipImageSizes {
  const size = (key: string): number => {
    const value = json[key];
    if (Number.isSafeInteger(value) && (value as number) > 0) return value as number;
    throw new SnoopiError(`${where}: vision_config.${key} is ${JSON.stringify(value)}. Give a whole number above 0.`);
  };
  return {
    imageSize: size("image_size"),
    patchSize: size("patch_size"),
    hiddenSize: size("hidden_size"),
    intermediateSize: size("intermediate_size"),
    numHiddenLayers: size("num_hidden_layers"),
    numAttentionHeads: size("num_attention_heads"),
  };
}
