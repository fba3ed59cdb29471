import { scope, tensor, torchGenerator } from "@snoopi/core";
import { unscaleLatents } from "@snoopi/models";
import {
  type BatchRequest,
  decodeImage,
  encodeTexts,
  fewSteps,
  fewStepTimesteps,
  generateBatch,
  guidanceNames,
  type LoadedModel,
  type Prediction,
  planOf,
  processOf,
  type Request,
  sample,
  x0Predictor,
} from "@snoopi/snoopi";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { devices } from "../devices.ts";
import { loadTinyModel } from "./tiny.ts";

const prompts = ["a red cat", "two dogs in the rain"];
const seeds = [4, 9];

for (const { name: on, device } of devices) {
  describe(`a batch on ${on}`, () => {
    let loaded: LoadedModel;
    beforeAll(async () => {
      loaded = await loadTinyModel("third-tiny", device);
    });
    afterAll(() => loaded[Symbol.dispose]());

    const shape = () => {
      const { vae, size, factor } = loaded.model;
      return [vae.latentChannels, size.height / factor, size.width / factor];
    };
    /** The noise that `generate` takes for each seed. */
    const noiseOf = (of: readonly number[]) => {
      const one = shape().reduce((a, b) => a * b, 1);
      return { shape: [of.length, ...shape()], data: Float32Array.from(of.flatMap((seed) => [...torchGenerator(seed).randn(one)])) };
    };
    const alone = async (request: Request): Promise<Float32Array> => {
      const latents = await sample(loaded, planOf(loaded.model, { steps: 1, ...request }));
      const image = await decodeImage(loaded, latents);
      const data = (await image.data()) as Float32Array;
      image.dispose();
      latents.dispose();
      return data;
    };
    const halves = ({ data }: { readonly data: Float32Array | Int32Array }) =>
      [data.subarray(0, data.length / 2), data.subarray(data.length / 2)] as Float32Array[];
    // One picture and two take different ways through matrix products: f32 sums in another order, over a network's depth.
    const close = (a: Float32Array, b: Float32Array) => {
      const most = b.reduce((m, v) => Math.max(m, Math.abs(v)), 0);
      expect(a.length).toBe(b.length);
      expect(a.reduce((m, v, i) => Math.max(m, Math.abs(v - b[i])), 0)).toBeLessThan(2e-4 * most);
    };

    const ways: Record<string, Omit<Request, "prompt">> = {
      "one step": {},
      "DDIM with guidance": { steps: 3, guidance: 4 },
      ...Object.fromEntries(guidanceNames.map((guidance) => [`one step and ${guidance}`, { guidance, negative: "rain" }])),
      "two steps and NASA": { steps: 2, guidance: "nasa", negative: "rain" },
    };
    test.each(Object.entries(ways))("draws by %s what each prompt draws alone", async (_, way) => {
      const made = halves(await generateBatch(loaded, { steps: 1, ...way, prompts, noises: [noiseOf(seeds)] } as BatchRequest));
      for (const [i, prompt] of prompts.entries()) close(made[i], await alone({ ...way, prompt, seed: seeds[i] }));
    });

    test("guides each picture by its own scale", async () => {
      const made = halves(await generateBatch(loaded, { prompts, noises: [noiseOf(seeds)], steps: 2, kappas: Float32Array.of(2, 5) }));
      for (const [i, guidance] of [2, 5].entries()) close(made[i], await alone({ prompt: prompts[i], seed: seeds[i], steps: 2, guidance }));
    });

    test("goes to x₀ and back to noise as a student of few steps is trained to", async () => {
      const noises = [noiseOf(seeds), noiseOf([1, 2])];
      const { data } = await generateBatch(loaded, { prompts, noises, steps: 2, sampler: "few-step", guidance: 1 });
      const expected = await scope(async (s) => {
        const image = s.run(() => {
          const { schedule, vae } = loaded.model;
          const process = processOf(schedule);
          const { tokens } = encodeTexts(loaded, prompts);
          const x0 = fewSteps(x0Predictor(loaded.network, { process, prediction: schedule.config.predictionType as Prediction }), {
            process,
            timesteps: fewStepTimesteps(process, 2),
            noises: noises.map((noise) => tensor(noise.data, { shape: noise.shape, device })),
            text: { tokens },
          });
          return loaded.decode(unscaleLatents(x0, vae));
        });
        return (await image.data()) as Float32Array;
      });
      close(data as Float32Array, expected);
    });

    test("draws a student's steps from one stream of noise as the pipeline of one does", async () => {
      const student = { ...loaded, model: { ...loaded.model, sampling: { steps: 3, sampler: "few-step" as const } } };
      const size = shape().reduce((a, b) => a * b, 1);
      const generator = torchGenerator(4);
      const noises = [0, 1, 2].map(() => ({ shape: [1, ...shape()], data: generator.randn(size) }));
      const { data } = await generateBatch(student, { prompts: ["a red cat"], noises });
      const latents = await sample(student, planOf(student.model, { prompt: "a red cat", seed: 4 }));
      const image = await decodeImage(student, latents);
      close(data as Float32Array, (await image.data()) as Float32Array);
      for (const t of [image, latents]) t.dispose();
    });

    test("leaves no memory behind, also when it is stopped or refused", async () => {
      const before = device.memory().bytes;
      await generateBatch(loaded, { prompts, noises: [noiseOf(seeds)], steps: 1, guidance: "neutral", negative: "rain" });
      const stopped = generateBatch(loaded, { prompts, noises: [noiseOf(seeds)] }, { signal: AbortSignal.abort() });
      await expect(stopped).rejects.toThrow();
      expect(device.memory().bytes).toBe(before);
    });

    test("refuses noise and scales that do not fit the prompts", async () => {
      const noises = [noiseOf(seeds)];
      const refusals: [BatchRequest, string][] = [
        [{ prompts: [], noises }, "generate: there are no prompts. Give at least 1."],
        [{ prompts: ["a"], noises }, "generate: there are 1 prompts and noise for 2."],
        [{ prompts, noises, steps: 2, sampler: "few-step" }, "generate: there are 1 noises, and few-step takes 2."],
        [{ prompts, noises, kappas: Float32Array.of(1) }, "generate: there are 2 prompts and 1 scales of guidance. Give one for each."],
        [{ prompts, noises, steps: 2, kappas: Float32Array.of(1, 2), guidance: 3 }, "go with no other guidance"],
      ];
      for (const [request, says] of refusals) await expect(generateBatch(loaded, request)).rejects.toThrow(says);
    });
  });
}
