import { createHash } from "node:crypto";
import { SnoopiError } from "@snoopi/core";
import { expect, test } from "vitest";
import { ddimDefaults, type ScheduleConfig, stableDiffusionConfig } from "./config.ts";
import { lastTimestep, noiseSchedule } from "./noise-schedule.ts";

const stableDiffusion: ScheduleConfig = { ...ddimDefaults, betaStart: 0.00085, betaEnd: 0.012, betaSchedule: "scaled_linear" };
const cosine: ScheduleConfig = { ...ddimDefaults, betaSchedule: "squaredcos_cap_v2" };
const sha256 = (array: Float32Array) => createHash("sha256").update(new Uint8Array(array.buffer)).digest("hex");

test.each<[string, ScheduleConfig, string]>([
  ["Stable Diffusion", stableDiffusion, "b0c6833c866f3aae5d58606971a4297931251d8ed9c31d9a8b849e13ca14e3b6"],
  ["linear", ddimDefaults, "b5555536933367c4ad73b4e972e1701b8cf631f368d370f1f05c23c5881f1994"],
  ["cosine", cosine, "f32ff0b43921c3125e2d7457bebc7aa5dd64586e4c1c837c2653aa637b657525"],
  [
    "scaled linear over 333 timesteps",
    { ...stableDiffusion, betaStart: 0.001, betaEnd: 0.0153, numTrainTimesteps: 333 },
    "d544c8a54a13f8701c8d230353e4ae6555f8b1fa7a104f16b268830fa1c42d76",
  ],
  ["cosine over 37 timesteps", { ...cosine, numTrainTimesteps: 37 }, "c80c7daa4ddff0b219cf885416d35ca57b17a34fdf4508321129a0ea32d5737b"],
  ["one timestep", { ...ddimDefaults, numTrainTimesteps: 1 }, "f327d6c4ad57b5fff97d62b13893c13cee24e133e99afda07ed99f16dc5fb768"],
  [
    "trained betas",
    { ...ddimDefaults, numTrainTimesteps: 4, trainedBetas: [0.1, 0.2, 0.3, 0.4], betaSchedule: "anything" },
    "0acd1d85d02852c785f41105c2c637c8dac09757dcf2f8fd5f4df313ff4e8425",
  ],
])("ᾱ of the %s schedule is diffusers' bit for bit", (_, config, hash) => {
  expect(sha256(noiseSchedule(config).alphasCumprod)).toBe(hash);
});

/** diffusers 0.42.1's ᾱ at timesteps 0, 1, 499, 998, 999. */
test.each<[string, ScheduleConfig, number[]]>([
  ["Stable Diffusion", stableDiffusion, [0.9991499781608582, 0.9982334971427917, 0.24235899746418, 1.9679633567193378e-7, 0]],
  ["linear", ddimDefaults, [0.9998999834060669, 0.9997793436050415, 0.0760287269949913, 4.213273285813557e-9, 0]],
  ["cosine", cosine, [0.999958872795105, 0.9999127388000488, 0.49382346868515015, 2.277813791806693e-6, 0]],
])("the %s schedule rescaled to zero terminal SNR ends in pure noise, close to diffusers'", (_, config, wanted) => {
  const schedule = noiseSchedule({ ...config, rescaleBetasZeroSnr: true });
  // A root of up to 1 that is off in its last bit (6e-8) is off by 1.2e-7 when squared; about four such errors meet in a ratio.
  for (const [i, t] of [0, 1, 499, 998, 999].entries()) expect(Math.abs(schedule.alphasCumprod[t] - wanted[i])).toBeLessThan(5e-7);
  expect(schedule.alphasCumprod[999]).toBe(0);
  expect([schedule.alpha(999), schedule.sigma(999)]).toEqual([0, 1]);
});

test("α² + σ² is 1 and α falls at every timestep", () => {
  const schedule = noiseSchedule(stableDiffusion);
  for (let t = 0; t < 1000; t++) {
    // Three f32 roundings: 1 − ᾱ and the two roots.
    expect(Math.abs(schedule.alpha(t) ** 2 + schedule.sigma(t) ** 2 - 1)).toBeLessThan(3e-7);
    if (t > 0) expect(schedule.alpha(t)).toBeLessThan(schedule.alpha(t - 1));
  }
  expect(schedule.alpha(999)).toBeCloseTo(0.0683, 4);
  expect(lastTimestep(schedule)).toBe(999);
});

test("a Stable Diffusion pipeline forces the offset and leaves predictions unclipped", () => {
  const forced = noiseSchedule(stableDiffusionConfig({ ...stableDiffusion, stepsOffset: 0, clipSample: true })).config;
  expect([forced.stepsOffset, forced.clipSample]).toEqual([1, false]);
});

test.each<[Partial<ScheduleConfig>, string]>([
  [{ betaSchedule: "sigmoid" }, 'beta_schedule is "sigmoid". It has to be one of linear, scaled_linear, squaredcos_cap_v2.'],
  [{ predictionType: "flow" }, 'prediction_type is "flow". It has to be one of epsilon, v_prediction, sample.'],
  [{ timestepSpacing: "even" }, 'timestep_spacing is "even". It has to be one of leading, trailing, linspace.'],
  [{ numTrainTimesteps: 0 }, "num_train_timesteps is 0. It has to be a whole number of at least 1."],
  [{ betaEnd: Number.NaN }, "beta_end is NaN. It has to be a number from 0 to below 1."],
  [{ stepsOffset: -1 }, "steps_offset is -1. It has to be a whole number, 0 or more."],
  [{ trainedBetas: [0.1] }, "trained_betas is 1 values. It has to be one for each of the 1000 training timesteps."],
  [{ thresholding: true }, "thresholding is true. It has to be false: dynamic thresholding is made for pixels and not supported."],
])("a config with %o is refused in one line", (change, message) => {
  expect(() => noiseSchedule({ ...ddimDefaults, ...change })).toThrow(new SnoopiError(`scheduler config: ${message}`));
});

test("asking for a timestep that is not there is refused", () => {
  const schedule = noiseSchedule(ddimDefaults);
  expect(() => schedule.alpha(1000)).toThrow("noise schedule: there is no timestep 1000. Pass a whole number from 0 to 999.");
  expect(() => schedule.sigma(0.5)).toThrow("noise schedule: there is no timestep 0.5.");
});
