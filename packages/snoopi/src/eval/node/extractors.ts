import { readdir } from "node:fs/promises";
import { basename, join, resolve } from "node:path";
import { type Device, fromData, keep, mean, reshape, SnoopiError, scope, type Tensor } from "@snoopi/core";
import {
  clipTextConfig,
  endPositions,
  idsTensor,
  type JsonObject,
  load,
  manifest,
  openComponentWeights,
  type Params,
  params,
  readClipTokenizer,
  readConfig,
  subfolder,
} from "@snoopi/models";
import { nodeFolder } from "@snoopi/models/node";
import type { ClipImageSizes } from "../../train/clip-image.ts";
import { clipModel } from "../../train/clip-model.ts";
import { uploaded } from "../../train/stage.ts";
import { cosines } from "../cosine.ts";
import type { Extractor } from "../table/evaluate.ts";
import { resized } from "../table/resize.ts";
import type { Autoencoder } from "./autoencoder.ts";
import { originOf } from "./origin.ts";

export interface OpenExtractor extends Extractor, Disposable {}

/** The image tower of the model's `clip/`, or where there is none its VAE's encoder. */
export async function openExtractor(
  model: string,
  { device, vae }: { readonly device: Device; readonly vae: Autoencoder },
): Promise<OpenExtractor> {
  const has = (await readdir(join(model, "clip")).catch(() => [] as string[])).includes("config.json");
  return has ? clipExtractor(model, device) : vaeExtractor(vae);
}

/** Features are the normalised state of the tower's class token, before the projection; the likeness of picture and text is after it. */
async function clipExtractor(model: string, device: Device): Promise<OpenExtractor> {
  const folder = nodeFolder(model);
  const config = await readConfig(subfolder(folder, "clip"));
  const [textJson, visionJson] = ["text_config", "vision_config"].map((key) => config[key] as JsonObject | undefined);
  if (!textJson || !visionJson) {
    throw new SnoopiError(
      `${model}/clip/config.json: it has no text_config and vision_config, so it is no CLIPModel. Train one with snoopi train clip.`,
    );
  }
  const text = clipTextConfig({ projection_dim: config.projection_dim, ...textJson });
  const image = imageSizes(visionJson, `${model}/clip/config.json`);
  const tokenizer = await readClipTokenizer(subfolder(folder, "tokenizer"), { maxPositions: text.maxPositionEmbeddings });
  const build = (p: Params) => clipModel(p, { text, image });
  const tensors = await readAll(subfolder(folder, "clip"), manifest(build), device);
  const network = build(params(load(tensors)));
  return {
    about: `the image tower of ${basename(resolve(model))}/clip, ${image.hiddenSize} numbers of its class token`,
    origin: await originOf(model, ["clip"]),
    look(pictures, prompts) {
      return scope(async (s) => {
        const seen = s.run(() => {
          const { x } = uploaded({ x: resized(pictures, image.imageSize) }, device);
          const features = network.seen(x);
          return { features, picture: network.project(features) };
        });
        const unique = [...new Set(prompts)];
        const ids = unique.map((prompt) => [...tokenizer.encode(prompt).ids]);
        const ends = endPositions(ids, text).map((end, i) => i * tokenizer.maxLength + end);
        const said = s.run(() =>
          network.text(idsTensor(ids, text, { device }), fromData(Int32Array.from(ends), { shape: [ids.length], dtype: "i32", device })),
        );
        const [features, picture, texts] = [await seen.features.data(), await seen.picture.data(), await said.data()];
        const width = text.projectionDim;
        const own = new Float32Array(prompts.length * width);
        for (const [i, prompt] of prompts.entries()) {
          const row = unique.indexOf(prompt);
          own.set(texts.subarray(row * width, (row + 1) * width) as Float32Array, i * width);
        }
        return {
          features: { data: features as Float32Array, shape: [prompts.length, image.hiddenSize] as const },
          likeness: cosines(
            { data: picture as Float32Array, shape: [prompts.length, width] },
            { data: own, shape: [prompts.length, width] },
          ),
        };
      });
    },
    [Symbol.dispose]() {
      for (const t of tensors.values()) t.dispose();
    },
  };
}

/** Where a model has no CLIP: what its own VAE sees, averaged over the squares of a coarse grid so that few pictures have a covariance. */
function vaeExtractor(vae: Autoencoder): OpenExtractor {
  const grid = 4;
  return {
    about: `the VAE encoder of ${basename(resolve(vae.model))} (it has no clip/), its latents averaged over ${grid} × ${grid} places`,
    origin: vae.origin,
    look(pictures) {
      return scope(async (s) => {
        const pooled = s.run(() => coarse(vae.latents(pictures), grid));
        const data = (await pooled.data()) as Float32Array;
        return { features: { data, shape: [pooled.shape[0], pooled.shape[1]] as const } };
      });
    },
    [Symbol.dispose]() {},
  };
}

function coarse(z: Tensor, grid: number): Tensor {
  const [batch, channels, height, width] = z.shape;
  const [rows, columns] = [height, width].map((size) => (size % grid === 0 ? grid : size));
  const squares = mean(reshape(z, [batch, channels, rows, height / rows, columns, width / columns]), { axis: [3, 5] });
  return reshape(squares, [batch, channels * rows * columns]);
}

/** Every tensor of a network whose names are those of its file. */
async function readAll(
  folder: ReturnType<typeof subfolder>,
  wanted: ReturnType<typeof manifest>,
  device: Device,
): Promise<Map<string, Tensor>> {
  const weights = await openComponentWeights(folder);
  const tensors = new Map<string, Tensor>();
  try {
    const missing = [...wanted.keys()].filter((name) => !weights.entries.has(name));
    if (missing.length > 0) throw new SnoopiError(`${folder.name}: ${missing.length} parameters are missing: ${missing.join(", ")}.`);
    for (const [name, shape] of wanted) {
      const { data, dtype } = await weights.read(name, { dtype: "f32" });
      tensors.set(name, keep(fromData(data, { shape, dtype, device })));
    }
    return tensors;
  } catch (error) {
    for (const t of tensors.values()) t.dispose();
    throw error;
  } finally {
    await weights.close();
  }
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
