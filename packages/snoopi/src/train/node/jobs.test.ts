import { cpSync, mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { cpu, type Device } from "@snoopi/core";
import { nodeFolder } from "@snoopi/models/node";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { gpu } from "../../../../../test/gpu.ts";
import { generate } from "../../pipeline/generate.ts";
import { loadModel } from "../../pipeline/load.ts";
import { openModel } from "../../pipeline/open.ts";
import { type StageName, type TrainConfig, trainSchemas } from "../config.ts";
import { fromCsv } from "../curve.ts";
import { readConfig } from "../schema.ts";
import { clipJob } from "./clip-job.ts";
import { runTraining } from "./run.ts";
import { teacherJob } from "./teacher-job.ts";
import { vaeJob } from "./vae-job.ts";

// A miniature of the whole chain: 16 × 16 pixels, a few steps each.

const device: Device = gpu.device ?? cpu;
const out = mkdtempSync(join(tmpdir(), "snoopi-chain-"));
afterAll(() => rmSync(out, { recursive: true, force: true }));

const vae = { batch: 8, rate: { peak: 0.01 }, network: { sampleSize: 16, blockOutChannels: [8, 8], normNumGroups: 4 } };
const tower = { hiddenSize: 16, intermediateSize: 32, numHiddenLayers: 1, numAttentionHeads: 2, projectionDim: 16 };
const clip = { batch: 16, rate: { peak: 0.01 }, network: { imageSize: 16, patchSize: 8, ...tower } };
const unet = { blockOutChannels: [16], attentionHeadDim: 2, normNumGroups: 4 };
const teacher = { batch: 8, pool: 64, rate: { peak: 0.01 }, ema: 0.9, network: unet, sample: { steps: 2 } };
const given = { vae, clip, teacher };
const { signal } = new AbortController();
const jobs = { vae: vaeJob, clip: clipJob, teacher: teacherJob };

interface Options {
  readonly steps: number;
  readonly on?: Device;
  readonly stopAt?: number;
  readonly resume?: boolean;
  /** Whether the components are written as well. Default true. */
  readonly finish?: boolean;
  readonly start?: string;
  /** Keys of the config. */
  readonly over?: Readonly<Record<string, unknown>>;
}

async function train(name: StageName, folder: string, options: Options) {
  const { steps, on = device, stopAt = -1, resume = false, finish = true, start, over } = options;
  const config = readConfig(trainSchemas[name], {
    ...given[name],
    ...(on === cpu && { batch: 2 }),
    ...over,
    steps,
    checkpointEvery: 3,
    sampleEvery: 0,
  }) as TrainConfig;
  using job = await jobs[name](config as never, { device: on, out: folder, signal, ...(start !== undefined && { start }) });
  const controller = new AbortController();
  const { finished, weights } = await runTraining(job.stage, {
    folder: join(folder, "training", name),
    settings: job.settings,
    checkpointEvery: config.checkpointEvery,
    sampleEvery: config.sampleEvery,
    config,
    resume,
    signal: controller.signal,
    sheet: job.sheet,
    onStep: (taken) => taken === stopAt && controller.abort(),
  });
  if (!finished) return "stopped";
  return finish ? job.finish(weights) : "finished";
}

const read = (folder: string, name: string, file: string) => readFileSync(join(folder, "training", name, file));
/** Makes other weights of a component's: the same, but for a bit. */
function changeBit(component: string): void {
  const path = join(component, "diffusion_pytorch_model.safetensors");
  const bytes = readFileSync(path);
  bytes[bytes.length - 4] ^= 1;
  writeFileSync(path, bytes);
}

const mean = (values: readonly number[]) => values.reduce((a, b) => a + b, 0) / values.length;

describe("the chain of stages in miniature", () => {
  beforeAll(async () => {
    await train("vae", out, { steps: 40 });
    await train("clip", out, { steps: 40 });
    await train("teacher", out, { steps: 40 });
  });

  // The worst of five seeds: 0.46, 0.84 and 0.39.
  test.each([
    ["vae", 0.7],
    ["clip", 0.95],
    ["teacher", 0.6],
  ])("moves the loss of %s below %f of what it was", (name, factor) => {
    const losses = fromCsv(read(out, name, "loss.csv").toString(), name).map(({ loss }) => loss);
    expect(mean(losses.slice(-8))).toBeLessThan(factor * mean(losses.slice(0, 8)));
  });

  test("leaves a pipeline that makes a picture", async () => {
    const model = await openModel(nodeFolder(out));
    expect(model.ignored).toEqual([]);
    const warnings: string[] = [];
    using loaded = await loadModel(model, { device, onWarning: (text) => warnings.push(text) });
    const picture = await generate(loaded, { prompt: "a red circle", steps: 2, guidance: 3 });
    expect([picture.width, picture.height, warnings]).toEqual([16, 16, []]);
  });

  test.each(["vae", "clip", "teacher"] as const)("%s, stopped and resumed on the CPU, ends with the same bits", async (name) => {
    const [whole, parted] = ["whole", "parted"].map((kind) => join(out, `${name}-${kind}`));
    if (name === "teacher") {
      for (const folder of [whole, parted])
        for (const part of ["vae", "text_encoder", "tokenizer"]) cpSync(join(out, part), join(folder, part), { recursive: true });
    }
    await train(name, whole, { steps: 4, on: cpu, finish: false });
    expect(await train(name, parted, { steps: 4, on: cpu, stopAt: 2 })).toBe("stopped");
    await train(name, parted, { steps: 4, on: cpu, resume: true, finish: false });
    for (const file of ["checkpoint.safetensors", "loss.csv", "sample-000004.png"])
      expect(read(parted, name, file)).toEqual(read(whole, name, file));
  });

  test("a teacher is not resumed between another VAE or text encoder", async () => {
    const folder = join(out, "moved");
    cpSync(join(out, "teacher-whole"), folder, { recursive: true });
    changeBit(join(folder, "vae"));
    await expect(train("teacher", folder, { steps: 4, on: cpu, resume: true })).rejects.toThrow(
      /of model "teacher of \w+" and this is "teacher of \w+"/,
    );
  });

  test("a teacher without a VAE says what makes one", async () => {
    await expect(train("teacher", join(out, "nowhere"), { steps: 4 })).rejects.toThrow("Run snoopi train vae --out");
  });

  test("a teacher that starts from another has its weights, VAE and text encoder before the first step moves them", async () => {
    const folder = join(out, "further");
    // What a run leaves that is killed at the first file.
    mkdirSync(join(folder, "vae"), { recursive: true });
    cpSync(join(out, "vae", "config.json"), join(folder, "vae", "config.json"));
    // A step of rate 0, and an average of nothing but where it began.
    await train("teacher", folder, { steps: 1, on: cpu, start: out, over: { rate: { peak: 0 } } });
    const weights = (model: string) => readFileSync(join(model, "unet", "diffusion_pytorch_model.safetensors"));
    expect(weights(folder)).toEqual(weights(out));
    for (const file of [
      "vae/diffusion_pytorch_model.safetensors",
      "text_encoder/model.safetensors",
      "tokenizer/vocab.json",
      "clip/config.json",
    ])
      expect(readFileSync(join(folder, file))).toEqual(readFileSync(join(out, file)));
    expect(fromCsv(read(folder, "teacher", "loss.csv").toString(), "loss.csv")[0].loss).toBeLessThan(1);
  });

  test.each([
    [
      "another network",
      { network: { ...unet, layersPerBlock: 2 } },
      /unet: it is of another config: layersPerBlock is \[1\] there and \[2\] here\. Train it/,
    ],
    [
      "another prediction",
      { prediction: "v_prediction" },
      /scheduler: .* predictionType is "epsilon" there and "v_prediction" here\. Train it/,
    ],
  ])("a teacher does not start from %s", async (_, over, says) => {
    await expect(train("teacher", join(out, "unlike"), { steps: 1, on: cpu, start: out, over })).rejects.toThrow(says);
  });

  test("a teacher does not start from itself, nor between another VAE, nor goes on from another start", async () => {
    const from = (start: string, folder: string, options: Partial<Options> = {}) =>
      train("teacher", folder, { steps: 4, on: cpu, start, ...options });
    await expect(from(out, out)).rejects.toThrow(/--start is --out itself, .*Give another --out/);
    await expect(from(out, join(out, "moved"))).rejects.toThrow(/vae: its weights are \w{16}, and those of .* \w{16}\. Give another --out/);
    const begun = join(out, "begun");
    expect(await from(out, begun, { stopAt: 2 })).toBe("stopped");
    const other = join(out, "other");
    cpSync(join(out, "further"), other, { recursive: true });
    changeBit(join(other, "unet"));
    await expect(from(other, begun, { resume: true })).rejects.toThrow(
      /of model "teacher of \w+, from \w+" and this is "teacher of \w+, from \w+"/,
    );
  });
});
