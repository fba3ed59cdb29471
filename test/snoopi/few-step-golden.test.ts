import { decode, planOf, sample } from "@snoopi/snoopi";
import { expect, test } from "vitest";
import { devices } from "../devices.ts";
import { goldenJson, goldenTensors, relativeError } from "../models/goldens.ts";
import { loadTinyModel } from "./tiny.ts";

// A student of four steps, as diffusers' LCMScheduler draws it: the noise between steps comes from the generator that the first came from.

const { cases, timesteps } = goldenJson("pipeline/few-step");
const [{ name, prompt, seed, steps }] = cases;

test.each(devices)("several steps of a student are diffusers', on $name", async ({ device }) => {
  using loaded = await loadTinyModel("sd15-tiny", device);
  const student = { ...loaded, model: { ...loaded.model, sampling: { steps, sampler: "few-step" as const } } };
  const golden = await goldenTensors("pipeline/few-step");
  const asked: number[] = [];
  const network: typeof loaded.network = (x, t, ...rest) => {
    asked.push(t as number);
    return loaded.network(x, t, ...rest);
  };
  const latents = await sample({ ...student, network }, planOf(student.model, { prompt, seed }));
  const error = await relativeError(latents, golden(`${name}.latents`));
  const { data } = await decode(student, latents);
  latents.dispose();
  const expected = await golden(`${name}.image`).data();
  expect(asked).toEqual(timesteps);
  // f32 sums in another order, as for the other pictures of this checkpoint.
  expect(error).toBeLessThan(1e-4);
  // diffusers mixes x_t into x₀ by 0.25 / ((10 t)² + 0.25), 4e-8 at the last timestep: less than a rounding.
  expect([...data].filter((value, i) => Math.abs(value - expected[i]) > 1).length).toBeLessThan(0.01 * data.length);
});
