import { normal, type Tensor, tensor } from "@snoopi/core";
import type { UNet } from "@snoopi/models";
import fc from "fast-check";
import { describe, expect, test } from "vitest";
import { denoiser } from "../denoiser.ts";
import { oneStep } from "../sampler/one-step.ts";
import { ddimDefaults } from "../schedule/config.ts";
import { noiseSchedule } from "../schedule/noise-schedule.ts";
import { type Prediction, parameterizations } from "./parameterization.ts";
import { addNoise, flowProcess, levelsAt, processOf } from "./process.ts";
import { epsPredictor, guidedScore, x0Predictor } from "./score.ts";
import { drawTimesteps, timeRanges } from "./time-range.ts";

const schedule = noiseSchedule({ ...ddimDefaults, betaStart: 0.00085, betaEnd: 0.012, betaSchedule: "scaled_linear" });
const process = processOf(schedule);
const shape = [2, 4, 2, 2];
const context = { tokens: tensor([[[1]]]) };
const values = async (t: Tensor) => [...(await t.data())];
const times = fc.tuple(fc.integer({ min: 1, max: 980 }), fc.integer({ min: 1, max: 980 })).map((t) => [...t]);

const errorOf = async (a: Tensor, b: Tensor) => Math.max(...(await values(a.sub(b))).map(Math.abs));

/** What a perfect network of each kind gives for known x₀ and ε. */
const outputs: Record<Prediction, (x0: Tensor, eps: Tensor, levels: ReturnType<typeof levelsAt>) => Tensor> = {
  epsilon: (_, eps) => eps,
  v_prediction: (x0, eps, { alpha, sigma }) => eps.mul(alpha).sub(x0.mul(sigma)),
  sample: (x0) => x0,
  flow: (x0, eps) => eps.sub(x0),
};

describe.each(Object.keys(parameterizations) as Prediction[])("a network that predicts %s", (prediction) => {
  const processes = { schedule: process, ...(prediction !== "v_prediction" && { flow: flowProcess({ shift: 3 }) }) };

  test.each(Object.entries(processes))("gives back ε and x₀ of a noised picture, each sample at its own timestep (%s)", async (_, own) => {
    await fc.assert(
      fc.asyncProperty(fc.integer({ min: 0, max: 2 ** 31 }), times, async (seed, t) => {
        const [x0, eps] = [0, 1].map((stream) => normal(shape, { key: seed, stream }));
        const levels = levelsAt(own, t, x0.device);
        const network: UNet = () => outputs[prediction](x0, eps, levels);
        const xt = addNoise(x0, eps, levels);
        const smallest = Math.min(...t.map((one) => Math.min(own.alpha(one), own.sigma(one))));
        // Three roundings of numbers below 8, divided by α or σ.
        const tolerance = (3 * 8 * 2 ** -23) / smallest;
        const options = { process: own, prediction };
        expect(await errorOf(epsPredictor(network, options)(xt, t, context), eps)).toBeLessThan(tolerance);
        expect(await errorOf(x0Predictor(network, options)(xt, t, context), x0)).toBeLessThan(tolerance);
      }),
      { numRuns: 20 },
    );
  });
});

describe("a predictor", () => {
  test("asked once at the last timestep is the one-step generator", async () => {
    const network: UNet = (x) => x.mul(0.99);
    const z = normal(shape, { key: 1 });
    const made = x0Predictor(network, { process, prediction: "epsilon" })(z, [999, 999], context);
    expect(await values(made)).toEqual(await values(oneStep(denoiser(network, schedule), schedule, z, context)));
  });

  test("takes the first half of the channels where there is a variance", async () => {
    const wide = normal([2, 8, 2, 2], { key: 1 });
    const eps = epsPredictor(() => wide, { process, prediction: "epsilon" })(normal(shape, { key: 2 }), [3, 4], context);
    expect(await values(eps)).toEqual(await values(wide.slice([null, [0, 4]])));
  });

  test("tells a network of a flow σ as a part of a thousand", () => {
    let told: unknown;
    const network: UNet = (x, t) => {
      told = t;
      return x;
    };
    epsPredictor(network, { process: flowProcess(), prediction: "flow" })(normal(shape, { key: 2 }), [0, 499], context);
    expect(told).toEqual([Math.fround(0.001) * 1000, 500]);
  });

  test("refuses timesteps that are not one each, or not of the process", () => {
    const eps = epsPredictor((x) => x, { process, prediction: "epsilon" });
    const x = normal(shape, { key: 2 });
    expect(() => eps(x, [1], context)).toThrow("score: there are 1 timesteps for 2 samples.");
    expect(() => epsPredictor((y) => y, { process: flowProcess(), prediction: "flow" })(x, [1, 1000], context)).toThrow("no timestep 1000");
  });

  test("refuses to tell x₀ from ε where there is no signal", () => {
    const x0 = x0Predictor((x) => x, { process: flowProcess(), prediction: "epsilon" });
    expect(() => x0(normal(shape, { key: 2 }), [999, 999], context)).toThrow("no signal");
  });
});

test("guidance is (1 − κ)·away + κ·text with each sample's κ, in one pass where κ is 1", async () => {
  const away = { tokens: tensor([[[3]]]) };
  let passes = 0;
  const predict = (x: Tensor, _: unknown, { tokens }: { tokens: Tensor }) => {
    passes++;
    return x.mul(tokens.reshape([1, 1, 1, 1]));
  };
  const x = normal(shape, { key: 4 });
  const guided = guidedScore(predict, x, { t: [1, 2], text: context, away, kappa: [4, 0] });
  const expected = x.mul(tensor([[[[1 * 4 + 3 * -3]]], [[[3]]]]));
  expect(await errorOf(guided, expected)).toBeLessThan(40 * 2 ** -23);
  expect(passes).toBe(2);
  expect(await values(guidedScore(predict, x, { t: [1, 2], text: context, away, kappa: [1, 1] }))).toEqual(await values(x));
  expect(passes).toBe(3);
});

test("timesteps are drawn from the whole range and nothing else", () => {
  const key = [1, 2] as const;
  const drawn = drawTimesteps({ from: 3, below: 6 }, { batch: 200, key });
  expect(new Set(drawn)).toEqual(new Set([3, 4, 5]));
  expect(drawTimesteps({ from: 3, below: 6 }, { batch: 200, key })).toEqual(drawn);
  expect(() => drawTimesteps({ from: 3, below: 3 }, { batch: 1, key })).toThrow("time range: there is no timestep");
  expect(timeRanges.vsd).toEqual({ from: 20, below: 981 });
});
