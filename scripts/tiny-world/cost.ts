import { createDryDevice, type Device, empty, keyFromSeed, leaves, realize, scope, sizeOf, valueAndGradients } from "@snoopi/core";
import { schedulerConfig, unetConfig, vaeConfig } from "@snoopi/models";
import { stableDiffusionConfig } from "../../packages/snoopi/src/schedule/config.ts";
import { noiseSchedule } from "../../packages/snoopi/src/schedule/noise-schedule.ts";
import { trainSchemas } from "../../packages/snoopi/src/train/config.ts";
import { scenesOf } from "../../packages/snoopi/src/train/examples.ts";
import { clipJob } from "../../packages/snoopi/src/train/node/clip-job.ts";
import { readConfig } from "../../packages/snoopi/src/train/schema.ts";
import { type Stage, uploaded } from "../../packages/snoopi/src/train/stage.ts";
import { teacherStage } from "../../packages/snoopi/src/train/teacher.ts";
import { schedulerJson, unetJson } from "../../packages/snoopi/src/train/teacher-config.ts";
import { vaeStage } from "../../packages/snoopi/src/train/vae.ts";
import { vaeJson } from "../../packages/snoopi/src/train/vae-config.ts";

// What the training of the tiny world's three networks costs: parameters, and FLOPs of a step's loss and gradients, without running them.
// node --conditions=source --import tsx scripts/tiny-world/cost.ts

const vae = readConfig(trainSchemas.vae, {});
const clip = readConfig(trainSchemas.clip, {});
const teacher = readConfig(trainSchemas.teacher, {});
const key = keyFromSeed(0);

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
  {
    name: "teacher",
    steps: teacher.steps,
    of: (device) =>
      teacherStage({
        device,
        network: unetConfig(unetJson(teacher, { side: 8, channels: 4, textWidth: clip.network.hiddenSize })),
        schedule: noiseSchedule(stableDiffusionConfig(schedulerConfig(schedulerJson(teacher), { as: "DDIMScheduler" }))),
        pool: {
          latents: { shape: [teacher.batch, 4, 8, 8], data: new Float32Array(teacher.batch * 256) },
          attributes: scenesOf(key, 0, teacher.batch).map((scene) => scene.attributes),
        },
        // 945 captions and the empty one, of 16 tokens.
        texts: empty([946, 16, clip.network.hiddenSize], { device }),
        origin: "",
        batch: teacher.batch,
        nullText: teacher.nullText,
        key,
      }),
  },
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
