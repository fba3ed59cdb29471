import { SnoopiError } from "@snoopi/core";
import { generateBatch } from "../../pipeline/generate-batch.ts";
import type { LoadedModel } from "../../pipeline/load.ts";
import { picturesOf } from "../../train/examples.ts";
import { addPixelNoise, type Drawing, kappasOf, noiseOf } from "../table/cell.ts";
import type { Painter } from "../table/evaluate.ts";
import type { Autoencoder } from "./autoencoder.ts";

export interface PainterOptions {
  /** The model that draws. */
  readonly loaded: (model: string) => Promise<LoadedModel>;
  /** The VAE of round trips. */
  readonly vae: (model: string) => Promise<Autoencoder>;
  readonly signal: AbortSignal;
}

/** Makes pictures from the source that a cell names. */
export function painter({ loaded, vae, signal }: PainterOptions): Painter {
  return async (cell, batch, first) => {
    const { source } = cell;
    const count = batch.prompts.length;
    if (source.by === "render") {
      const pictures = picturesOf(batch.scenes);
      addPixelNoise(cell, pictures, { first, noise: source.noise });
      return pictures;
    }
    if (source.by !== "model") {
      const autoencoder = await vae(source.model);
      return autoencoder.roundTrip(picturesOf(batch.scenes, autoencoder.side));
    }
    const network = await loaded(source.model);
    const { model } = network;
    if (model.size.width !== model.size.height)
      throw new SnoopiError(`eval: ${model.name} makes pictures that are not square. Use another model.`);
    const shape = [model.vae.latentChannels, model.size.height / model.factor, model.size.width / model.factor];
    const { steps, sampler } = source;
    const noises = Array.from({ length: sampler === "few-step" ? steps : 1 }, (_, step) => noiseOf(cell, { first, count, shape, step }));
    const guidance = guidanceOf(source, (between) => kappasOf(cell, between, first, count));
    return generateBatch(network, { prompts: batch.prompts, noises, steps, sampler, ...guidance }, { signal });
  };
}

function guidanceOf({ steps, kappa, away }: Drawing, draw: (between: readonly [number, number]) => Float32Array) {
  if (away) return { guidance: away.method, negative: away.negative, guidanceScale: away.scale };
  if (typeof kappa !== "number") return { kappas: draw(kappa) };
  // As guidance it would take no second pass.
  if (kappa < 1) return { kappas: draw([kappa, kappa]) };
  if (kappa === 1) return steps === 1 ? {} : { guidance: 1 };
  return steps === 1 ? { guidance: "cfg", guidanceScale: kappa } : { guidance: kappa };
}
