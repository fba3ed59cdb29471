import { readFileSync } from "node:fs";
import { join } from "node:path";
import { createDryDevice, type Device, empty, keyFromSeed, leaves, noGrad, realize, scope, sizeOf, valueAndGradients } from "@snoopi/core";
import { schedulerConfig, unetConfig, vaeConfig } from "@snoopi/models";
import { denoiser } from "../../packages/snoopi/src/denoiser.ts";
import { cfg } from "../../packages/snoopi/src/guidance/cfg.ts";
import { modelShape } from "../../packages/snoopi/src/pipeline/stable-diffusion.ts";
import { stableDiffusionConfig } from "../../packages/snoopi/src/schedule/config.ts";
import { noiseSchedule } from "../../packages/snoopi/src/schedule/noise-schedule.ts";
import { clipJson, textJson } from "../../packages/snoopi/src/train/clip-config.ts";
import { clipSizes } from "../../packages/snoopi/src/train/clip-sizes.ts";
import { trainSchemas } from "../../packages/snoopi/src/train/config.ts";
import { distillSchema } from "../../packages/snoopi/src/train/distill-config.ts";
import { scenesOf } from "../../packages/snoopi/src/train/examples.ts";
import { clipJob } from "../../packages/snoopi/src/train/node/clip-job.ts";
import { readConfig } from "../../packages/snoopi/src/train/schema.ts";
import { withKeys } from "../../packages/snoopi/src/train/set-keys.ts";
import { type Stage, uploaded } from "../../packages/snoopi/src/train/stage.ts";
import { distillCost, regressionCost } from "../../packages/snoopi/src/train/student/dry.ts";
import { dryRoom } from "../../packages/snoopi/src/train/student/dry-room.ts";
import { contextOf } from "../../packages/snoopi/src/train/student/prompt-bank.ts";
import { teacherStage } from "../../packages/snoopi/src/train/teacher.ts";
import { schedulerJson, unetJson } from "../../packages/snoopi/src/train/teacher-config.ts";
import { vaeStage } from "../../packages/snoopi/src/train/vae.ts";
import { vaeJson } from "../../packages/snoopi/src/train/vae-config.ts";
import { worldVocabulary } from "../../packages/snoopi/src/world/vocabulary.ts";
import { table2Rows } from "./table2.ts";

// What the training of the tiny world's models costs: parameters, and FLOPs of a step, without running any. For networks the loss and its
// gradients are counted, for pairs a batch of pictures, for students the distillation.
// node --conditions=source --import tsx scripts/tiny-world/cost.ts

const vae = readConfig(trainSchemas.vae, {});
const clip = readConfig(trainSchemas.clip, {});
const teacher = readConfig(trainSchemas.teacher, {});
const key = keyFromSeed(0);
const jsonOf = (name: string) =>
  JSON.parse(readFileSync(join(import.meta.dirname, `../../packages/snoopi/configs/tiny-${name}.json`), "utf8"));

const stages: readonly { readonly name: string; readonly steps: number; of(device: Device): Stage | Promise<Stage> }[] = [
  {
    name: "vae",
    steps: vae.steps,
    of: (device) => vaeStage({ device, network: vaeConfig(vaeJson(vae)), batch: vae.batch, loss: vae.loss, key }),
  },
  {
    name: "clip",
    steps: clip.steps,
    of: async (device) => (await clipJob(clip, { device, out: "", signal: new AbortController().signal })).stage,
  },
  ...[
    { name: "teacher", config: teacher },
    { name: "teacher-on", config: readConfig(trainSchemas.teacher, jsonOf("teacher-on")) },
  ].map(({ name, config }) => ({
    name,
    steps: config.steps,
    of: (device: Device) =>
      teacherStage({
        device,
        network: unetConfig(unetJson(config, { side: 8, channels: 4, textWidth: clip.network.hiddenSize })),
        schedule: noiseSchedule(stableDiffusionConfig(schedulerConfig(schedulerJson(config), { as: "DDIMScheduler" }))),
        pool: {
          latents: { shape: [config.batch, 4, 8, 8], data: new Float32Array(config.batch * 256) },
          attributes: scenesOf(key, 0, config.batch).map((scene) => scene.attributes),
        },
        // 945 captions and the empty one, of 16 tokens.
        texts: empty([946, 16, clip.network.hiddenSize], { device }),
        origin: "",
        batch: config.batch,
        nullText: config.nullText,
        key,
      }),
  })),
];

console.log("| stage | parameters | GFLOP a step | steps | FLOP in all |\n| --- | ---: | ---: | ---: | ---: |");
for (const { name, steps, of } of stages) {
  const device = createDryDevice();
  const stage = await of(device);
  await scope(async (s) => {
    const made = s.run(() => valueAndGradients(stage.parameters, () => stage.loss(uploaded(stage.batch(0), device)).loss));
    await realize(leaves(made));
  });
  const parameters = Object.values(stage.parameters).reduce((sum, t) => sum + sizeOf(t.shape), 0);
  console.log(`| ${name} | ${parameters} | ${(device.flops / 1e9).toFixed(1)} | ${steps} | ${(device.flops * steps).toExponential(1)} |`);
}

const network = modelShape(
  {
    textEncoder: textJson(clip, worldVocabulary()),
    unet: unetJson(teacher, { side: 8, channels: 4, textWidth: clip.network.hiddenSize }),
    vae: vaeJson(vae),
    scheduler: schedulerJson(teacher),
  },
  "tiny",
);
const towers = clipSizes(clipJson(clip, worldVocabulary()), "tiny-clip.json");
await scope(async (s) => {
  const config = readConfig(distillSchema, jsonOf("student"));
  const { count, batch, steps, guidance } = config.pairs;
  const device = createDryDevice();
  using room = dryRoom(config, { model: network, clip: towers }, device);
  const said = new Int32Array(batch);
  const x = empty([batch, ...room.latents], { device });
  const before = device.flops;
  const guided = cfg(denoiser(room.assembled.distillation.teachers.teacher, network.schedule), {
    scale: guidance,
    negative: contextOf(room.bank, said, device),
  });
  await realize([s.run(() => noGrad(() => guided(x, 999, contextOf(room.bank, said, device))))]);
  const flops = (device.flops - before) * steps;
  console.log(
    `| pairs | | ${(flops / 1e9).toFixed(1)} | ${Math.ceil(count / batch)} | ${(flops * Math.ceil(count / batch)).toExponential(1)} |`,
  );
  const update = regressionCost(config, { model: network, clip: towers })!.flops;
  console.log(
    `| regression | | ${(update / 1e9).toFixed(1)} | ${config.regression.steps} | ${(update * config.regression.steps).toExponential(1)} |`,
  );
});
const students: readonly { readonly name: string; readonly trainings: number; readonly file: string; readonly set?: readonly string[] }[] =
  [
    { name: "student", trainings: 1, file: "student" },
    { name: "pg-sb", trainings: 1, file: "pg-sb" },
    { name: "few-step", trainings: 1, file: "few-step" },
    { name: "nasa-t", trainings: 1, file: "nasa-t" },
    { name: "methods", trainings: 15, file: "table2" },
    { name: "methods, ttur", trainings: 3, file: "table2", set: table2Rows.ttur },
  ];
for (const { name, trainings, file, set = [] } of students) {
  const config = readConfig(distillSchema, withKeys(jsonOf(file), set));
  const { flops, parameters } = distillCost(config, { model: network, clip: towers });
  const steps = config.steps * trainings;
  console.log(
    `| ${name} | ${parameters.student + parameters.loraTeacher} | ${(flops / 1e9).toFixed(1)} | ${trainings > 1 ? `${trainings} × ` : ""}${config.steps} | ${(flops * steps).toExponential(1)} |`,
  );
}
