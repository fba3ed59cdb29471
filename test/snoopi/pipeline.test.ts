import { torchGenerator } from "@snoopi/core";
import { decode, type LoadedModel, planOf, type Request, sample } from "@snoopi/snoopi";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { devices } from "../devices.ts";
import { goldenJson, goldenTensors, relativeError } from "../models/goldens.ts";
import { checkpoints, loadTinyModel } from "./tiny.ts";

interface Case {
  readonly name: string;
  readonly prompt: string;
  readonly negative: string | null;
  readonly nasaScale: number | null;
  readonly seed: number;
  readonly steps: number;
  readonly guidance: number;
  readonly height: number;
  readonly width: number;
}

// f32 sums in another order: noise moved by 1e-6 moves these latents by up to 2e-5. sd21-tiny's goldens were computed from its
// weights as stored, in f16, so that f16 weights cost nothing here.
const latentError = 1e-4;
const pixelsWithinOne = 0.99;

const requestOf = ({ prompt, negative, nasaScale, seed, steps, guidance, height, width }: Case): Request => ({
  prompt,
  seed,
  steps,
  height,
  width,
  ...(steps > 1 && { guidance }),
  ...(negative !== null && { negative }),
  ...(nasaScale !== null && { nasaScale }),
});

for (const { name, device } of devices) {
  describe.each(checkpoints)(`%s on ${name}`, (checkpoint) => {
    const cases: readonly Case[] = goldenJson(`pipeline/${checkpoint}`).cases;
    let loaded: LoadedModel;
    let golden: Awaited<ReturnType<typeof goldenTensors>>;
    beforeAll(async () => {
      [loaded, golden] = [await loadTinyModel(checkpoint, device), await goldenTensors(`pipeline/${checkpoint}`)];
    });
    afterAll(() => loaded[Symbol.dispose]());

    test.each(cases)("starts from PyTorch's noise, bit for bit: $name", async ({ name, seed }) => {
      const noise = golden(`${name}.noise`);
      expect(torchGenerator(seed).randn(noise.shape.reduce((a, b) => a * b))).toEqual(await noise.data());
    });

    test.each(cases)("makes diffusers' latents and picture: $name", async (one) => {
      const latents = await sample(loaded, planOf(loaded.model, requestOf(one)));
      const error = await relativeError(latents, golden(`${one.name}.latents`));
      const { width, height, data } = await decode(loaded, latents);
      latents.dispose();
      const expected = await golden(`${one.name}.image`).data();
      let near = 0;
      for (let i = 0; i < data.length; i += 3) {
        if ([0, 1, 2].every((c) => Math.abs(data[i + c] - expected[i + c]) <= 1)) near++;
      }
      expect(error).toBeLessThan(latentError);
      expect([width, height, data.length]).toEqual([one.width, one.height, expected.length]);
      expect(near / (width * height)).toBeGreaterThanOrEqual(pixelsWithinOne);
    });
  });
}
