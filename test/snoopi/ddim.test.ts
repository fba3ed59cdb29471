import { ones, scope, type Tensor, tensor } from "@snoopi/core";
import { schedulerConfig } from "@snoopi/models";
import { ddimDefaults, ddimSteps, denoiser, noiseSchedule } from "@snoopi/snoopi";
import { beforeAll, describe, expect, test } from "vitest";
import { devices } from "../devices.ts";
import { goldenJson, goldenTensors, relativeError } from "../models/goldens.ts";

interface Case {
  readonly name: string;
  readonly config: Record<string, string | number | boolean>;
  readonly steps: number;
  readonly timesteps: readonly number[];
}

const cases: readonly Case[] = goldenJson("schedule/ddim").cases;

// Five steps of a few roundings, 6e-8 each; they shrink with the noise that they are in. 3e-7 at most on either device.
const tolerance = 1e-6;

let golden: Awaited<ReturnType<typeof goldenTensors>>;
beforeAll(async () => {
  golden = await goldenTensors("schedule/ddim");
});

for (const { name, device } of devices) {
  describe(`DDIM on ${name}`, () => {
    test.each(cases)("takes diffusers' steps: $name, $config.prediction_type, $config.timestep_spacing", async (one) => {
      const schedule = noiseSchedule(schedulerConfig(one.config, { as: "DDIMScheduler" }));
      const context = { tokens: ones([1, 1, 1], { device }) };
      const at = (what: string) => golden(`${one.name}.${what}`, { device });
      let [step, x0]: [number, Tensor | undefined] = [0, undefined];
      const denoise = denoiser(() => at(`${step}.model_output`), schedule);
      const steps = ddimSteps((x, t, text) => (x0 = denoise(x, t, text)), schedule, one.steps, context);
      expect(steps.map(({ t }) => t)).toEqual(one.timesteps);
      // The network's answers are the golden's, so that the whole sequence must come out, not only each step from the right start.
      let x = at("x_T");
      for (; step < steps.length; step++) {
        x = steps[step].advance(x);
        const { clipSample, clipSampleRange: range } = schedule.config;
        const kept = clipSample
          ? tensor(
              (await x0!.data()).map((v) => Math.min(Math.max(v, -range), range)),
              { shape: x.shape },
            )
          : x0!;
        const errors = [await relativeError(kept, at(`${step}.pred_original_sample`)), await relativeError(x, at(`${step}.prev_sample`))];
        expect(Math.max(...errors)).toBeLessThan(tolerance);
      }
    });

    test("ends without noise where the schedule begins without any", async () => {
      const trainedBetas = [0, 0.1, 0.2, 0.3];
      const schedule = noiseSchedule({ ...ddimDefaults, numTrainTimesteps: 4, trainedBetas, predictionType: "sample", clipSample: false });
      const x0 = tensor([1, -2, 3, 4], { device }).reshape([1, 1, 2, 2]);
      const steps = ddimSteps(() => x0, schedule, 4, { tokens: x0 });
      const x = scope(() => steps.reduce((x, { advance }) => advance(x), x0.mul(2)));
      expect(await x.data()).toEqual(await x0.data());
    });
  });
}

test("DDIM denoises once a step, noisiest first, at the very timesteps it lists", () => {
  const schedule = noiseSchedule({ ...ddimDefaults, timestepSpacing: "trailing" });
  const x = ones([1, 4, 2, 2]);
  const visited: number[] = [];
  const denoise = (z: Tensor, t: number) => {
    visited.push(t);
    return z;
  };
  const steps = ddimSteps(denoise, schedule, 4, { tokens: x });
  expect(visited).toEqual([]);
  steps.reduce((z, { advance }) => advance(z), x);
  expect(visited).toEqual([999, 749, 499, 249]);
});
