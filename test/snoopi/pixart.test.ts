import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { createDryDevice } from "@snoopi/core";
import { type JsonObject, pixart512 } from "@snoopi/models";
import { nodeFolder } from "@snoopi/models/node";
import {
  decode,
  estimate,
  generateBatch,
  type LoadedModel,
  loadModel,
  type ModelShape,
  openModel,
  pixartShape,
  planOf,
  sample,
} from "@snoopi/snoopi";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { devices } from "../devices.ts";
import { goldenTensors, relativeError } from "../models/goldens.ts";
import { type PixArtGolden, pixartGolden, writePixArt } from "./pixart-folder.ts";

const { cases } = pixartGolden;
const root = mkdtempSync(join(tmpdir(), "snoopi-pixart-"));
const folder = join(root, "model");
beforeAll(() => writePixArt(folder));
afterAll(() => rmSync(root, { recursive: true }));

describe.each(devices)("a PixArt folder on $name", ({ device }) => {
  let loaded: LoadedModel;
  beforeAll(async () => {
    loaded = await loadModel(await openModel(nodeFolder(folder)), { device });
  });
  afterAll(() => loaded[Symbol.dispose]());

  const requestOf = ({ name: _, negative, guidance, nasaScale, ...rest }: PixArtGolden["cases"][number]) => ({
    ...rest,
    ...(negative !== null && { negative }),
    ...(nasaScale === undefined ? { guidance } : { nasaScale }),
  });

  test.each(cases)("draws what diffusers does: $name", async (one) => {
    const golden = await goldenTensors("pipeline/pixart");
    const plan = planOf(loaded.model, requestOf(one));
    const latents = await sample(loaded, plan);
    const error = await relativeError(latents, golden(`${one.name}.latents`));
    const { data } = await decode(loaded, latents);
    latents.dispose();
    // Noise that is off by 1e-6 moves diffusers' own latents by as much; f32 on either side differs by a few times that.
    expect(error).toBeLessThan(1e-5);
    const image = await golden(`${one.name}.image`).data();
    expect(Math.max(...data.map((value, i) => Math.abs(value - Number(image[i]))))).toBeLessThanOrEqual(1);
  });

  test("a batch draws each picture as it is drawn alone", async () => {
    const prompts = ["a cat", "a red chair by the lake"];
    const noises = prompts.map((_, i) => Float32Array.from({ length: 256 }, (_, j) => Math.sin(j + 7 * i)));
    const draw = async (prompts: readonly string[], data: Float32Array) => {
      const noise = { shape: [prompts.length, 4, 8, 8], data };
      return Array.from((await generateBatch(loaded, { prompts, noises: [noise], steps: 1, negative: "blurry", nasaScale: 0.5 })).data);
    };
    const both = await draw(prompts, Float32Array.from([...noises[0], ...noises[1]]));
    const size = both.length / 2;
    for (const [i, prompt] of prompts.entries()) {
      const alone = await draw([prompt], noises[i]);
      const off = alone.map((value, j) => Math.abs(value - both[i * size + j]));
      // The same sums in another order: a hundred roundings of f32 and more, of the largest value.
      expect(Math.max(...off)).toBeLessThan(1e-4 * Math.max(...alone.map(Math.abs)));
    }
  });
});

test("what it draws unless told otherwise is PixArt's", async () => {
  const model = await openModel(nodeFolder(folder));
  const { steps, cfg, width, height } = planOf(model, { prompt: "a cat" });
  expect({ steps, cfg, width, height }).toEqual({ steps: 25, cfg: { negative: "", scale: 4.5 }, width: 16, height: 16 });
  expect(() => planOf(model, { prompt: "a cat", steps: 2, timestep: 400 })).toThrow("the timestep is 400 and there are 2 steps");
  expect(() => planOf(model, { prompt: "a cat", steps: 1, timestep: 1000 })).toThrow("the timestep is 1000, and this model has 0 to 999");
});

test("parts that do not belong together are refused", () => {
  const shape = (more: Partial<Record<"textEncoder" | "transformer", JsonObject>>) => () =>
    pixartShape({ ...pixart512, ...more }, { name: "mixed", length: 120 });
  expect(shape({ textEncoder: { ...pixart512.textEncoder, d_model: 2048 } })).toThrow(
    "mixed: the transformer reads tokens of another width than the text encoder gives, 4096 and 2048. The components are not of the same model.",
  );
  expect(shape({ transformer: { ...pixart512.transformer, in_channels: 8 } })).toThrow("latent channels differ, 8 and 4.");
});

test("the published size is estimated without its weights", async () => {
  const shape: ModelShape = pixartShape(pixart512, { name: "PixArt-α", length: 120 });
  const { weightBytes, flops } = await estimate(shape, { steps: 1 }, { device: createDryDevice(), dtypeOf: () => "f16" });
  // T5-XXL's encoder, the transformer and the VAE's decoder, two bytes each.
  expect(weightBytes / 2).toBeCloseTo(4_762_310_656 + 610_856_096 + 49_490_199, -6);
  expect(flops).toBeGreaterThan(1e12);
});
