import { concat, type Device, scope, type Tensor, tensor, torchGenerator } from "@snoopi/core";
import type { UNet, UNetOptions } from "@snoopi/models";
import { plain } from "@snoopi/models";
import { ddimDefaults, denoiser, type Noise, noiseAt, noiseOf, noiseSchedule, oneStep, type ScheduleConfig } from "@snoopi/snoopi";
import fc from "fast-check";
import { describe, expect, test } from "vitest";
import { devices } from "../devices.ts";
import { relativeError } from "../models/goldens.ts";

const scheduleOf = (fields: Partial<ScheduleConfig> = {}) =>
  noiseSchedule({ ...ddimDefaults, betaStart: 0.00085, betaEnd: 0.012, betaSchedule: "scaled_linear", ...fields });

const normal = (seed: number, shape: readonly number[], device: Device): Tensor =>
  tensor(torchGenerator(seed).randn(shape.reduce((a, b) => a * b)), { shape, device });

const shape = [2, 4, 3, 5];

/** What a network that knows x₀ and ε exactly would give, for each thing it may have been trained to predict. */
const predictions: Record<string, (x0: Tensor, eps: Tensor, noise: Noise) => Tensor> = {
  epsilon: (_, eps) => eps,
  v_prediction: (x0, eps, { alpha, sigma }) => eps.mul(alpha).sub(x0.mul(sigma)),
  sample: (x0) => x0,
};

for (const { name, device } of devices) {
  describe(`a denoiser on ${name}`, () => {
    const context = { tokens: normal(0, [1, 2, 3], device) };

    test.each(Object.keys(predictions))("gives back the x₀ and the ε that a perfect network predicts as %s", async (predictionType) => {
      const schedule = scheduleOf({ predictionType });
      await fc.assert(
        fc.asyncProperty(fc.nat(999), fc.nat(2 ** 31), (t, seed) =>
          scope(async () => {
            const [x0, eps, noise] = [normal(seed, shape, device), normal(seed + 1, shape, device), noiseAt(schedule, t)];
            const x = x0.mul(noise.alpha).add(eps.mul(noise.sigma));
            const found = denoiser(() => predictions[predictionType](x0, eps, noise), schedule)(x, t, context);
            // Four roundings of numbers as large as x and the prediction, 2⁻²⁴ each, which ε → x₀ divides by α and x₀ → ε by σ.
            const unit = 8 * 2 ** -24;
            expect(await relativeError(found, x0)).toBeLessThan(unit / (predictionType === "epsilon" ? noise.alpha : 1));
            const ofNoise = unit / (noise.sigma * (predictionType === "epsilon" ? 1 : noise.sigma));
            expect(await relativeError(noiseOf(found, x, noise), eps)).toBeLessThan(ofNoise);
          }),
        ),
        { numRuns: 15 },
      );
    });

    test("reads the first half of a network that predicts a variance too", async () => {
      const schedule = scheduleOf({ predictionType: "sample" });
      const [x0, variance, x] = [normal(1, shape, device), normal(2, shape, device), normal(3, shape, device)];
      const found = denoiser(() => concat([x0, variance], { axis: 1 }), schedule)(x, 500, context);
      expect(found.shape).toEqual(shape);
      expect(await found.data()).toEqual(await x0.data());
    });

    test("finds x₀ from v where no signal is left: it is −v", async () => {
      const schedule = scheduleOf({ predictionType: "v_prediction", rescaleBetasZeroSnr: true });
      const [v, x] = [normal(1, shape, device), normal(2, shape, device)];
      expect(noiseAt(schedule, 999)).toEqual({ alpha: 0, sigma: 1 });
      const x0 = denoiser(() => v, schedule)(x, 999, context);
      expect(await relativeError(x0, v.neg())).toBe(0);
      expect(await relativeError(noiseOf(x0, x, noiseAt(schedule, 999)), x)).toBe(0);
    });
  });
}

describe("a denoiser", () => {
  const x = normal(1, shape, devices[0].device);
  const context = { tokens: normal(0, [1, 2, 3], devices[0].device) };

  test("refuses ε where no signal is left", () => {
    const schedule = scheduleOf({ rescaleBetasZeroSnr: true });
    const denoise = denoiser(() => x, schedule);
    expect(() => denoise(x, 999, context)).toThrow(
      "denoise: the schedule has no signal at this timestep (zero terminal SNR), so x₀ cannot be told from ε. Use a model that predicts v.",
    );
    expect(() => denoise(x, 998, context)).not.toThrow();
  });

  test("hands the network its input, timestep, context and guidance as they are", () => {
    const calls: unknown[][] = [];
    const network: UNet = (...call) => {
      calls.push(call);
      return x;
    };
    denoiser(network, scheduleOf())(x, 321, context);
    denoiser(network, scheduleOf(), { attend: plain })(x, 321, context);
    expect(calls.map(([, t]) => t)).toEqual([321, 321]);
    expect(calls.every(([given, , text]) => given === x && text === context)).toBe(true);
    expect(calls.map(([, , , options]) => (options as UNetOptions).attend)).toEqual([undefined, plain]);
  });

  test("is called once by the one-step sampler, on the noise, at the last timestep", () => {
    const calls: number[] = [];
    const x0 = oneStep(
      (z, t, text) => {
        expect([z, text]).toEqual([x, context]);
        calls.push(t);
        return z;
      },
      scheduleOf({ numTrainTimesteps: 400 }),
      x,
      context,
    );
    expect([x0, calls]).toEqual([x, [399]]);
  });

  test("has noise at timesteps only", () => {
    expect(() => noiseAt(scheduleOf(), 1000)).toThrow("noise schedule: there is no timestep 1000. Pass a whole number from 0 to 999.");
  });
});
