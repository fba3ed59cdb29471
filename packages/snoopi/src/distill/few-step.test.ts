import { cpu, grad, normal, type Tensor, tensor } from "@snoopi/core";
import type { UNet } from "@snoopi/models";
import fc from "fast-check";
import { expect, test } from "vitest";
import { ddimDefaults } from "../schedule/config.ts";
import { noiseSchedule } from "../schedule/noise-schedule.ts";
import { backwardSimulation, fewSteps, fewStepTimesteps } from "./few-step.ts";
import { addNoise, levelsAt, processOf } from "./process.ts";
import { type Predictor, x0Predictor } from "./score.ts";

const process = processOf(noiseSchedule({ ...ddimDefaults, betaStart: 0.00085, betaEnd: 0.012, betaSchedule: "scaled_linear" }));
const shape = [2, 4, 3, 3];
const text = { tokens: tensor([[[1]]]) };
const noises = (count: number) => Array.from({ length: count }, (_, stream) => normal(shape, { key: 7, stream }));
const values = async (t: Tensor) => [...(await t.data())];
const farthest = async (a: Tensor, b: Tensor) => Math.max(...(await values(a.sub(b))).map(Math.abs));

test("timesteps of few steps are DMD2's, fall evenly, and begin at the last", () => {
  expect([1, 2, 4].map((steps) => fewStepTimesteps({ timesteps: 1000 }, steps))).toEqual([[999], [999, 499], [999, 749, 499, 249]]);
  fc.assert(
    fc.property(fc.integer({ min: 1, max: 1000 }), fc.integer({ min: 1, max: 1000 }), (a, b) => {
      const [steps, timesteps] = [Math.min(a, b), Math.max(a, b)];
      const found = fewStepTimesteps({ timesteps }, steps);
      const gaps = found.slice(1).map((t, i) => found[i] - t);
      expect([found[0], found.length]).toEqual([timesteps - 1, steps]);
      expect(gaps.every((gap) => Math.abs(gap - timesteps / steps) < 1)).toBe(true);
      expect(found.at(-1)).toBeGreaterThanOrEqual(0);
    }),
  );
  for (const steps of [0, 1.5, 5]) expect(() => fewStepTimesteps({ timesteps: 4 }, steps)).toThrow("few steps:");
});

test.each([1, 2, 4])("a perfect student of %i steps draws its picture, and meets it noised by the last noise on the way", async (steps) => {
  const picture = normal(shape, { key: 3 });
  const asked: (readonly number[])[] = [];
  const student: Predictor = (_, t) => {
    asked.push(t as readonly number[]);
    return picture.mul(1);
  };
  const timesteps = fewStepTimesteps(process, steps);
  const options = { process, timesteps, noises: noises(steps), text };
  expect(await values(fewSteps(student, options))).toEqual(await values(picture));
  expect(asked).toEqual(timesteps.map((t) => [t, t]));
  const met = backwardSimulation(student, options);
  const last = timesteps[steps - 1];
  const expected = steps === 1 ? options.noises[0] : addNoise(picture, options.noises[steps - 1], levelsAt(process, [last], cpu));
  expect(await values(met)).toEqual(await values(expected));
});

test("gradients flow through the last step alone", async () => {
  const factor = tensor(0.5);
  const drawn = (f: Tensor) => {
    const network: UNet = (x) => x.mul(f);
    const student = x0Predictor(network, { process, prediction: "sample" });
    return fewSteps(student, { process, timesteps: [999, 499], noises: noises(2), text }).sum();
  };
  const [first, second] = noises(2);
  // d/df of f·(α·f'·z₁ + σ·z₂) with f' held.
  const expected = await addNoise(first.mul(0.5), second, levelsAt(process, [499], cpu))
    .sum()
    .item();
  // 72 numbers of size one, added up in f32.
  expect(Math.abs((await grad(drawn)(factor).item()) - expected)).toBeLessThan(72 * 2 ** -22);
});

test("fewer noises end earlier, so that any of the steps can learn", async () => {
  const student = x0Predictor((x) => x.mul(0.9), { process, prediction: "sample" });
  const all = noises(4);
  const timesteps = fewStepTimesteps(process, 4);
  for (const count of [1, 2, 3]) {
    const next = backwardSimulation(student, { process, timesteps, noises: all.slice(0, count + 1), text });
    const before = fewSteps(student, { process, timesteps, noises: all.slice(0, count), text });
    expect(await farthest(next, addNoise(before, all[count], levelsAt(process, [timesteps[count]], cpu)))).toBe(0);
  }
});

test("what does not fit is refused", () => {
  const student: Predictor = (x) => x;
  const run = (timesteps: readonly number[], count: number) => () =>
    backwardSimulation(student, { process, timesteps, noises: noises(count), text });
  expect(run([999, 499], 3)).toThrow("few steps: there are 3 noises for 2 timesteps.");
  expect(run([999, 499], 0)).toThrow("there are 0 noises");
  expect(run([499, 999], 1)).toThrow("few steps: the timesteps are [499,999]. Give them falling.");
  expect(run([1000], 1)).toThrow("there is no timestep 1000");
});
