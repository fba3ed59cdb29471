import { SnoopiError } from "@snoopi/core";
import { pictureSize } from "../world/scene.ts";
import { type ConfigOf, choice, number, pair, type Schema, sizes, whole } from "./schema.ts";

// What the configs of `snoopi train` may say. The defaults train the tiny world's models.

const common = (over: { readonly steps: number; readonly batch: number; readonly beta2: number; readonly leastBatch?: number }) =>
  ({
    seed: whole(0, "all randomness: first weights, pictures, captions and noise"),
    steps: whole(over.steps, "updates of the weights", { least: 1 }),
    batch: whole(over.batch, "examples of an update", { least: over.leastBatch ?? 1 }),
    betas: pair([0.9, over.beta2], "AdamW's averages of gradients and of their squares", { least: 0, most: 0.99999 }),
    weightDecay: number(0, "AdamW's", { least: 0 }),
    maxNorm: number(1, "gradients are scaled down to at most this norm", { least: 1e-12 }),
    checkpointEvery: whole(100, "steps between two checkpoints", { least: 1 }),
    sampleEvery: whole(500, "steps between two sample sheets; 0 draws one at the end only"),
  }) satisfies Schema;

const rate = (peak: number, warmup: number, shape: "one-cycle" | "linear") =>
  ({
    peak: number(peak, "the highest learning rate", { least: 0 }),
    warmup: number(warmup, "share of the steps in which the rate rises to its peak", { least: 0, most: 0.99 }),
    shape: choice(shape, "how it falls from there", ["constant", "linear", "one-cycle"]),
  }) satisfies Schema;

export const vaeSchema = {
  ...common({ steps: 2500, batch: 16, beta2: 0.99 }),
  rate: rate(2e-3, 0.1, "one-cycle"),
  ema: number(0, "how much of the average of the weights stays at a step; 0 keeps no average", { least: 0, most: 0.999999 }),
  loss: {
    l1: number(0.1, "weight of the mean absolute error beside the mean square", { least: 0 }),
    kl: number(1e-4, "weight of the latents' divergence from a standard normal", { least: 0 }),
    chroma: number(4, "weight of the mean square of errors in colour alone", { least: 0 }),
  },
  network: {
    sampleSize: whole(64, "side of the pictures; a divisor of 64", { least: 8, most: 64 }),
    blockOutChannels: sizes([8, 16, 32, 32], "channels of each block; all but the last halve the picture"),
    layersPerBlock: whole(1, "resnets of a block", { least: 1 }),
    latentChannels: whole(4, "channels of the latents", { least: 1 }),
    normNumGroups: whole(2, "groups of each norm", { least: 1 }),
  },
} satisfies Schema;

export const clipSchema = {
  // A single pair has nothing to be told from: its loss is 0, whatever the weights are.
  ...common({ steps: 1500, batch: 128, beta2: 0.999, leastBatch: 2 }),
  rate: rate(1e-3, 0.1, "one-cycle"),
  blur: number(0.5, "share of the pictures that are blurred by half, so that decoded pictures are understood too", { least: 0, most: 1 }),
  network: {
    imageSize: whole(64, "side of the pictures; a divisor of 64", { least: 8, most: 64 }),
    patchSize: whole(8, "side of the squares that a picture is cut into", { least: 2 }),
    hiddenSize: whole(64, "width of both towers", { least: 1 }),
    intermediateSize: whole(256, "width inside their feed-forward layers", { least: 1 }),
    numHiddenLayers: whole(2, "layers of each tower", { least: 1 }),
    numAttentionHeads: whole(4, "heads of each attention", { least: 1 }),
    projectionDim: whole(64, "numbers of an embedding", { least: 1 }),
  },
} satisfies Schema;

export const teacherSchema = {
  ...common({ steps: 6000, batch: 32, beta2: 0.99 }),
  rate: rate(2e-3, 0.02, "linear"),
  ema: number(0.999, "how much of the average of the weights stays at a step; 0 keeps no average", { least: 0, most: 0.999999 }),
  pool: whole(8192, "pictures, encoded once; captions and noise are drawn anew at each step", { least: 1 }),
  prediction: choice("epsilon", "what the network predicts, under diffusers' names", ["epsilon", "v_prediction"]),
  nullText: number(0.1, "share of the captions that are left empty, for guidance", { least: 0, most: 1 }),
  network: {
    blockOutChannels: sizes([64, 64], "channels of each block; all but the last halve the latents"),
    layersPerBlock: whole(1, "resnets of a block, each with a transformer", { least: 1 }),
    attentionHeadDim: whole(4, "heads of each attention, under diffusers' name for them", { least: 1 }),
    normNumGroups: whole(16, "groups of each norm", { least: 1 }),
  },
  sample: {
    steps: whole(25, "DDIM steps of the sample sheets", { least: 1, most: 1000 }),
    guidance: number(3, "classifier-free guidance of the sample sheets", { least: 0 }),
  },
} satisfies Schema;

/** All keys of the configs of `snoopi train`, by stage: for `readConfig`. */
export const trainSchemas = { vae: vaeSchema, clip: clipSchema, teacher: teacherSchema } as const;

export type StageName = keyof typeof trainSchemas;
export type TrainConfig<N extends StageName = StageName> = ConfigOf<(typeof trainSchemas)[N]>;

/** Keys that change what is written and when, but not what is learned: they may change on resuming. */
export const freeKeys: readonly string[] = ["checkpointEvery", "sampleEvery", "sample.steps", "sample.guidance"];

/** @throws SnoopiError for keys that contradict each other. */
export function checkTrainConfig(name: StageName, config: TrainConfig): void {
  const refuse = (what: string): never => {
    throw new SnoopiError(`config: ${what}.`);
  };
  const divides = (part: number, whole: number, what: string) => {
    if (whole % part !== 0) refuse(`${what}, and ${whole} is not a multiple of ${part}`);
  };
  if (name === "vae") {
    const { sampleSize, blockOutChannels, normNumGroups } = (config as TrainConfig<"vae">).network;
    divides(sampleSize, pictureSize, `network.sampleSize is ${sampleSize} and the world's pictures ${pictureSize} pixels wide`);
    divides(
      2 ** (blockOutChannels.length - 1),
      sampleSize,
      `network.blockOutChannels halves ${sampleSize} pixels ${blockOutChannels.length - 1} times`,
    );
    for (const width of blockOutChannels) divides(normNumGroups, width, `network.normNumGroups is ${normNumGroups} for ${width} channels`);
  } else if (name === "clip") {
    const { imageSize, patchSize, hiddenSize, numAttentionHeads } = (config as TrainConfig<"clip">).network;
    divides(imageSize, pictureSize, `network.imageSize is ${imageSize} and the world's pictures ${pictureSize} pixels wide`);
    divides(patchSize, imageSize, `network.patchSize is ${patchSize} and network.imageSize ${imageSize}`);
    divides(numAttentionHeads, hiddenSize, `network.numAttentionHeads is ${numAttentionHeads} and network.hiddenSize ${hiddenSize}`);
  } else {
    const { blockOutChannels, normNumGroups, attentionHeadDim } = (config as TrainConfig<"teacher">).network;
    for (const width of blockOutChannels) {
      divides(normNumGroups, width, `network.normNumGroups is ${normNumGroups} for ${width} channels`);
      divides(attentionHeadDim, width, `network.attentionHeadDim is ${attentionHeadDim} heads for ${width} channels`);
    }
  }
}
