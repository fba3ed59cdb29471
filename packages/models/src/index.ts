// Networks.
export {
  type Attend,
  attentionLayer,
  type Context,
  type CrossAttention,
  type KeysValues,
  mergeHeads,
  plain,
  splitHeads,
} from "./attention.ts";
export { type AutoencoderConfig, autoencoder, autoencoderConfig, autoencoderFactor, latentDecoder, latentEncoder } from "./autoencoder.ts";
// Checkpoints.
export { type ClipTextConfig, clipTextConfig } from "./checkpoint/config-clip.ts";
export type { ParsedConfig } from "./checkpoint/config-fields.ts";
export { type PixArtConfig, pixartConfig, pixartWidth } from "./checkpoint/config-pixart.ts";
export { type SchedulerConfig, schedulerConfig } from "./checkpoint/config-scheduler.ts";
export { type T5Config, t5Config } from "./checkpoint/config-t5.ts";
export { type UNetConfig, unetConfig } from "./checkpoint/config-unet.ts";
export { type VaeConfig, vaeConfig } from "./checkpoint/config-vae.ts";
export { type TinyVaeConfig, tinyVaeConfig, tinyVaeFactor } from "./checkpoint/config-vae-tiny.ts";
export { type Folder, filesFolder, type JsonObject, readJson, subfolder } from "./checkpoint/folder.ts";
export { matchWeights, requireMatch, type WeightsMatch } from "./checkpoint/match.ts";
export { canonicalNames, fitsShape, type NameRule, type NetworkKind } from "./checkpoint/names.ts";
export {
  openComponentWeights,
  openPipelineFolder,
  type PipelineComponent,
  type PipelineFolder,
  readConfig,
} from "./checkpoint/pipeline.ts";
export { networkComponents, pipelineFiles } from "./checkpoint/pipeline-files.ts";
export type { TensorEntry } from "./checkpoint/safetensors-header.ts";
export { openSafetensors, type SafetensorsFile, type TensorData, type TensorReader } from "./checkpoint/safetensors-read.ts";
export { encodeSafetensors } from "./checkpoint/safetensors-write.ts";
export { type ByteSource, blobSource, bytesSource } from "./checkpoint/source.ts";
export { type ComponentWeights, openWeights } from "./checkpoint/weights.ts";
export { type BicubicOptions, resizeBicubic } from "./bicubic.ts";
export { activationOf, type ClipText, type ClipTextOptions, type ClipTextSizes, clipText } from "./clip.ts";
export { endPositions, idsTensor } from "./clip-ids.ts";
export { conv2d, embedding, groupNorm, layerNorm, linear, rmsNorm } from "./layers.ts";
export { type AdapterOptions, type Adapters, adapters } from "./lora/adapters.ts";
export { type Lora, type LoraLayer, openLora } from "./lora/lora.ts";
export { type LoraChange, type LoraMatch, type LoraUse, matchLoras } from "./lora/match.ts";
export { isLoraName, type LoraComponent } from "./lora/names.ts";
export { type DiffusionNetwork, diffusionNetwork } from "./diffusion-network.ts";
// Networks that judge pictures.
export { type Inception, type InceptionOutput, inceptionV3 } from "./inception/inception.ts";
export type { Folded } from "./inception/layer.ts";
export { openClip } from "./open-clip/open-clip.ts";
export { type OpenClipName, type OpenClipSizes, openClipSizes, type TowerSizes } from "./open-clip/sizes.ts";
// A hub.
export { type HubFolder, hubFolder } from "./hub/hub-folder.ts";
export type { HubOptions } from "./hub/request.ts";
export type { HubFile } from "./hub/tree.ts";
// Checkpoints in a single file.
export { type CheckpointKind, kindOf as checkpointKind } from "./single-file/kind.ts";
export type { OtherKind } from "./single-file/other-kinds.ts";
export { type SingleFile, type SingleFileOptions, singleFileFolder } from "./single-file/single-file.ts";
// Parameters.
export { type LoadedTensors, type LoadOptions, loadTensors } from "./load-model.ts";
export { countOf, init, type Layer, load, manifest, type Params, params, type Source } from "./params.ts";
export { type PixArt, type PixArtOptions, type PixArtSizes, pixart } from "./pixart.ts";
export { type PipelinePreset, type PixArtPreset, pixart512, sd15, sd21, t5Xxl, taesd } from "./presets.ts";
export { type T5Options, type T5Sizes, t5Encoder } from "./t5.ts";
// Text.
export { type ClipTokenizer, clipTokenizer, readClipTokenizer } from "./tokenizer/clip.ts";
export { type EncodedT5Prompt, readT5Tokenizer, type T5Tokenizer, type T5TokenizerOptions, t5Tokenizer } from "./tokenizer/t5.ts";
export type { T5TokenizerFiles } from "./tokenizer/t5-files.ts";
export { type UNet, type UNetOptions, type UNetSizes, unet } from "./unet.ts";
export { sampleLatents, scaleLatents, unscaleLatents } from "./vae/latents.ts";
export { toPixels } from "./vae/pixels.ts";
export { autoencoderKL, type VaeSizes, vaeDecoder, vaeEncoder, vaeFactor } from "./vae.ts";
export { autoencoderTiny, type TinyVaeSizes, tinyVaeDecoder, tinyVaeEncoder } from "./vae-tiny.ts";
