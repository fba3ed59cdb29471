import { cpu, scope } from "@snoopi/core";
import { autoencoderKL, load, params, sampleLatents, vaeConfig } from "@snoopi/models";
import { expect, test } from "vitest";
import { uploaded } from "./stage.ts";
import { vaeStage } from "./vae.ts";

const network = vaeConfig({
  block_out_channels: [4, 4],
  down_block_types: ["DownEncoderBlock2D", "DownEncoderBlock2D"],
  up_block_types: ["UpDecoderBlock2D", "UpDecoderBlock2D"],
  latent_channels: 2,
  layers_per_block: 1,
  norm_num_groups: 2,
  sample_size: 16,
});

test("errors in colour are what is left of a pixel's without its mean over channels, and weigh as asked", async () => {
  const weights = { l1: 0, kl: 0, chroma: 4 };
  const stage = vaeStage({ device: cpu, network, batch: 3, loss: weights, key: [1, 2] });
  const { loss, mse, chroma, off } = await scope(async (s) => {
    const found = s.run(() => {
      const given = uploaded(stage.batch(0), cpu);
      const { encode, decode } = autoencoderKL(params(load(new Map(Object.entries(stage.parameters)))), network);
      return { ...stage.loss(given), off: decode(sampleLatents(encode(given.x), given.noise)).sub(given.x) };
    });
    const data = await Promise.all(Object.entries(found).map(async ([name, t]) => [name, await t.data()] as const));
    return Object.fromEntries(data);
  });
  for (const t of Object.values(stage.parameters)) t.dispose();

  const plane = 16 * 16;
  let sum = 0;
  for (let i = 0; i < 3 * plane; i++) {
    const pixel = [0, 1, 2].map((c) => Number(off[(Math.floor(i / plane) * 3 + c) * plane + (i % plane)]));
    const grey = pixel.reduce((a, b) => a + b) / 3;
    for (const value of pixel) sum += (value - grey) ** 2;
  }
  // Sums of 2304 positive numbers in f32, added in another order: each within 2304 · 2^-24 of the exact one, 1.4e-4, and far less in practice.
  expect(Number(chroma[0])).toBeGreaterThan(0);
  expect(Number(chroma[0]) / (sum / off.length)).toBeCloseTo(1, 4);
  expect(Number(loss[0])).toBeCloseTo(Number(mse[0]) + 4 * Number(chroma[0]), 5);
});
