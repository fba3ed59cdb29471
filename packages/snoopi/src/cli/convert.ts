import { stat } from "node:fs/promises";
import { basename } from "node:path";
import { SnoopiError } from "@snoopi/core";
import { matchWeights, pipelineFiles, requireMatch } from "@snoopi/models";
import { singleFile } from "@snoopi/models/node";
import { type OpenModel, openModel } from "../pipeline/open.ts";
import { needed } from "../pipeline/shape.ts";
import type { PredictionType } from "../schedule/config.ts";
import { namedModel } from "./named-model.ts";
import type { Phase } from "./progress.ts";
import { openTerminal } from "./terminal.ts";
import { writeFolder } from "./write-folder.ts";

export interface ConvertOptions {
  /** A checkpoint in a single file. */
  readonly file: string;
  readonly out: string;
  /** What the UNet predicts, overriding what the file suggests. */
  readonly predicts?: PredictionType;
}

/** Writes a checkpoint in a single file as a diffusers folder, and prints its path. */
export async function convertCommand({ file, out, predicts }: ConvertOptions, signal: AbortSignal): Promise<void> {
  const { path } = await namedModel(file);
  if ((await stat(path)).isDirectory())
    throw new SnoopiError(`${file}: this is a folder already. Give the .safetensors file of a checkpoint.`);
  const named = predicts === undefined ? {} : { predictionType: predicts };
  const folder = await singleFile(path, named);
  const model = await openModel(folder);
  await checkWeights(model);
  const { progress, say } = openTerminal();
  const { schedule, size } = model;
  say(
    `${basename(path)}: Stable Diffusion ${folder.version}, predicts ${schedule.config.predictionType}, pictures of ${size.width}×${size.height}`,
  );
  let at: { readonly phase: Phase; done: number } | undefined;
  try {
    await writeFolder(folder, await pipelineFiles(folder), out, {
      signal,
      onBytes(done, total) {
        at ??= { phase: progress.phase("convert", total, { unit: "bytes" }), done: 0 };
        at.phase.advance(done - at.done);
        at.done = done;
      },
    });
    at?.phase.done();
  } finally {
    progress.close();
  }
  process.stdout.write(`${out}\n`);
}

/** @throws SnoopiError if the file lacks what making pictures needs: the folder would be of no use. */
async function checkWeights(model: OpenModel): Promise<void> {
  for (const network of model.networks) {
    const weights = await model.weights(network.component);
    try {
      requireMatch(matchWeights(network.kind, weights.entries, needed(network)), weights.name);
    } finally {
      await weights.close();
    }
  }
}
