import { join } from "node:path";
import { concat, foldIn, keep, keyFromSeed, noGrad, realize, scope, slice, type Tensor } from "@snoopi/core";
import { type Params, schedulerConfig, toPixels, unet, unetConfig, unscaleLatents, vaeFactor } from "@snoopi/models";
import { denoiser } from "../../denoiser.ts";
import { cfg } from "../../guidance/cfg.ts";
import { ddimSteps } from "../../sampler/ddim.ts";
import { stableDiffusionConfig } from "../../schedule/config.ts";
import { noiseSchedule } from "../../schedule/noise-schedule.ts";
import { captions } from "../../world/caption.ts";
import type { TrainConfig } from "../config.ts";
import { normals, scenesOf, stepKey } from "../examples.ts";
import { contactSheet } from "../sheet.ts";
import { uploaded } from "../stage.ts";
import { teacherStage } from "../teacher.ts";
import { pipelineJson, schedulerJson, unetJson } from "../teacher-config.ts";
import { withNetwork } from "../weights.ts";
import { writeComponent, writeJson } from "./component.ts";
import { makeFolder } from "./folder.ts";
import type { Job, JobOptions } from "./job.ts";
import { openParts, type Parts } from "./parts.ts";
import { openStart, takeBetween } from "./teacher-start.ts";

/** Captions of the sample sheet, each in a column. */
const columns = 8;
const rows = 2;

/**
 * `snoopi train teacher`: `unet/`, `scheduler/` and `model_index.json`, beside the existing VAE, text encoder and tokenizer, or those of
 * the model that it starts from.
 */
export async function teacherJob(config: TrainConfig<"teacher">, options: JobOptions): Promise<Job> {
  const { out, start } = options;
  if (start !== undefined) await takeBetween({ start, out });
  const parts = await openParts(options);
  return jobBetween(parts, config, options).catch((error) => {
    parts[Symbol.dispose]();
    throw error;
  });
}

/** The job between parts, which it then owns. */
async function jobBetween(parts: Parts, config: TrainConfig<"teacher">, { device, out, start }: JobOptions): Promise<Job> {
  const { vae, text } = parts;
  const key = keyFromSeed(config.seed);
  const json = unetJson(config, { side: vae.sampleSize / vaeFactor(vae), channels: vae.latentChannels, textWidth: text.hiddenSize });
  const network = unetConfig(json);
  const schedule = noiseSchedule(stableDiffusionConfig(schedulerConfig(schedulerJson(config), { as: "DDIMScheduler" })));
  const build = (p: Params) => unet(p, network);
  const scenes = scenesOf(stepKey(key, 5, 0), 0, config.pool);
  const latents = await parts.latents(scenes);
  const texts = await parts.texts();
  const stage = teacherStage({
    device,
    network,
    schedule,
    pool: { latents, attributes: scenes.map(({ attributes }) => attributes) },
    texts,
    origin: parts.origin,
    ...(start !== undefined && { start: await openStart(start, { network, schedule, build, device }) }),
    batch: config.batch,
    nullText: config.nullText,
    key,
  });
  const [, ...shape] = latents.shape;
  const row = (i: number): Tensor => slice(texts, [[i, i + 1]]);

  return {
    stage,
    settings: config,
    sheet: (weights) =>
      withNetwork(weights, device, {
        build,
        use: (network) =>
          scope(async (s) => {
            const chosen = Array.from({ length: rows * columns }, (_, i) => 1 + (i % columns) * Math.floor(captions.length / columns));
            const { context, negative, noise } = s.run(() => ({
              context: { tokens: concat(chosen.map(row)) },
              negative: { tokens: row(captions.length) },
              noise: uploaded({ noise: normals([chosen.length, ...shape], foldIn(key, 6)) }, device).noise,
            }));
            const plain = denoiser(network, schedule);
            const guided = cfg(plain, { scale: config.sample.guidance, negative });
            let x = keep(noise);
            for (const { advance } of ddimSteps(guided, schedule, config.sample.steps, context)) {
              const before = x;
              x = keep(noGrad(() => scope(() => advance(before))));
              await realize([x]);
              before.dispose();
            }
            const image = s.run(() => parts.decode(unscaleLatents(x, vae)));
            const pictures = await toPixels(image);
            x.dispose();
            return contactSheet(pictures, columns);
          }),
      }),
    async finish(weights) {
      await writeComponent(join(out, "unet"), { config: json, weights, library: "diffusers" });
      await makeFolder(join(out, "scheduler"));
      await writeJson(join(out, "scheduler", "scheduler_config.json"), schedulerJson(config));
      await writeJson(join(out, "model_index.json"), pipelineJson);
      return `teacher: snoopi generate --model ${out} --steps ${config.sample.steps} --guidance ${config.sample.guidance}`;
    },
    [Symbol.dispose]() {
      parts[Symbol.dispose]();
      for (const t of Object.values(stage.parameters)) t.dispose();
    },
  };
}
