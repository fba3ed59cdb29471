import { basename, join, resolve } from "node:path";
import { type Device, fromData, mean, reshape, scope, type Tensor } from "@snoopi/core";
import { endPositions, idsTensor, openComponentWeights, type Params, readClipTokenizer, readConfig, subfolder } from "@snoopi/models";
import { nodeFolder } from "@snoopi/models/node";
import { clipModel } from "../../train/clip-model.ts";
import { clipSizes } from "../../train/clip-sizes.ts";
import { namesIn } from "../../train/node/folder.ts";
import { openNetwork } from "../../train/node/network.ts";
import { digestOf } from "../../train/node/origin.ts";
import { resized } from "../../train/resize.ts";
import { uploaded } from "../../train/stage.ts";
import { cosines } from "../cosine.ts";
import type { Extractor } from "../table/evaluate.ts";
import type { Autoencoder } from "./autoencoder.ts";
import { drawnFrom } from "./drawn-from.ts";

export interface OpenExtractor extends Extractor, Disposable {}

/** The image tower of the model's `clip/`, or where there is none its VAE's encoder. */
export async function openExtractor(
  model: string,
  { device, vae }: { readonly device: Device; readonly vae: Autoencoder },
): Promise<OpenExtractor> {
  const has = (await namesIn(join(model, "clip"))).includes("config.json");
  return has ? clipExtractor(model, device) : vaeExtractor(vae);
}

/** Features are the normalised state of the tower's class token, before the projection; picture and text are compared after it. */
async function clipExtractor(model: string, device: Device): Promise<OpenExtractor> {
  const folder = nodeFolder(model);
  const config = await readConfig(subfolder(folder, "clip"));
  const { text, image } = clipSizes(config, `${model}/clip/config.json`);
  const tokenizer = await readClipTokenizer(subfolder(folder, "tokenizer"), { maxPositions: text.maxPositionEmbeddings });
  const build = (p: Params) => clipModel(p, { text, image });
  const weights = await openComponentWeights(subfolder(folder, "clip"));
  const own = ["config.json", ...weights.files].map((file) => `clip/${file}`);
  const { network, tensors } = await openNetwork("as stored", weights, { build, device, dtype: "f32" });
  return {
    about: `the image tower of ${basename(resolve(model))}/clip, ${image.hiddenSize} numbers of its class token`,
    origin: await digestOf(model, [...own, ...(await drawnFrom(model, "tokenizer/"))]),
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

/**
 * Where a model has no CLIP: what its own VAE sees, averaged over a coarse grid so that few pictures are enough for a covariance. Latents that
 * such a grid does not divide are taken as they are.
 */
function vaeExtractor(vae: Autoencoder): OpenExtractor {
  const averaged = vae.latentSide % 4 === 0;
  const grid = averaged ? 4 : vae.latentSide;
  return {
    about: `the VAE encoder of ${basename(resolve(vae.model))} (it has no clip/), its latents ${averaged ? "averaged over" : "at all"} ${grid} × ${grid} places`,
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
  const squares = mean(reshape(z, [batch, channels, grid, height / grid, grid, width / grid]), { axis: [3, 5] });
  return reshape(squares, [batch, channels * grid * grid]);
}
