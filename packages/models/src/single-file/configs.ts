import type { PredictionType } from "../checkpoint/config-scheduler.ts";
import type { JsonObject } from "../checkpoint/folder.ts";
import type { SafetensorsFile } from "../checkpoint/safetensors-read.ts";
import type { PipelinePreset } from "../presets.ts";
import { sd15, sd21 } from "../presets.ts";
import type { CheckpointKind } from "./kind.ts";

/**
 * The configs of a checkpoint, of which the file says little. Some files hold tensors that are flags: `v_pred` (the UNet predicts velocity) and `ztsnr`
 * (the schedule ends in pure noise, so steps have to begin there: spacing `trailing`, as diffusers recommends). Without them, {@link predictsVelocity}
 * decides for Stable Diffusion 2, and with it the size of pictures: 768 pixels for velocity, 512 for noise, as published.
 */
export async function configsOf(
  file: Pick<SafetensorsFile, "entries" | "read">,
  { version }: CheckpointKind,
  { configs, predictionType }: { readonly configs?: PipelinePreset; readonly predictionType?: PredictionType },
): Promise<PipelinePreset> {
  const marked = file.entries.has("v_pred") ? "v_prediction" : undefined;
  const given = predictionType ?? marked;
  if (configs) return { ...configs, scheduler: scheduler(file, configs.scheduler, given) };
  if (version === 1) return { ...sd15, scheduler: scheduler(file, sd15.scheduler, given) };
  const predicts = given ?? ((await predictsVelocity(file)) ? "v_prediction" : "epsilon");
  const small = predicts === "epsilon" && { unet: { ...sd21.unet, sample_size: 64 }, vae: { ...sd21.vae, sample_size: 512 } };
  return { ...sd21, ...small, scheduler: scheduler(file, sd21.scheduler, predicts) };
}

function scheduler(file: Pick<SafetensorsFile, "entries">, json: JsonObject, predicts: PredictionType | undefined): JsonObject {
  // diffusers' PNDMScheduler does not support such a schedule, its DDIMScheduler does.
  const toNoise = { _class_name: "DDIMScheduler", rescale_betas_zero_snr: true, timestep_spacing: "trailing" };
  return { ...json, ...(file.entries.has("ztsnr") && toNoise), ...(predicts && { prediction_type: predicts }) };
}

/** The last self-attention of the UNet of Stable Diffusion. */
const probe = "model.diffusion_model.output_blocks.11.1.transformer_blocks.0.norm1.bias";

/**
 * Whether a UNet of Stable Diffusion 2 predicts velocity, by ComfyUI's heuristic (`SD20.model_type` in `comfy/supported_models.py`): then the standard
 * deviation of this norm's biases is above 0.09, in the published models and in those fine-tuned from them.
 */
async function predictsVelocity(file: Pick<SafetensorsFile, "entries" | "read">): Promise<boolean> {
  // The file is incomplete then, which is reported when its weights are matched.
  if (!file.entries.has(probe)) return true;
  const data = [...(await file.read(probe, { dtype: "f32" })).data];
  const mean = data.reduce((sum, x) => sum + x, 0) / data.length;
  return Math.sqrt(data.reduce((sum, x) => sum + (x - mean) ** 2, 0) / data.length) > 0.09;
}
