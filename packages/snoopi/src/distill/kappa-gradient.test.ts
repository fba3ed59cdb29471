import { broadcastTo, foldIn, grad, keyFromSeed, normal, scope, type Tensor, tensor } from "@snoopi/core";
import fc from "fast-check";
import { describe, expect, test } from "vitest";
import { ddimDefaults } from "../schedule/config.ts";
import { noiseSchedule } from "../schedule/noise-schedule.ts";
import { drawKappas, type KappaSampler, meanKappa, uniformKappa } from "./kappa.ts";
import { distillationLoss } from "./loss.ts";
import { distillMethods } from "./method.ts";
import { processOf, timesAt } from "./process.ts";
import type { Predictor } from "./score.ts";
import { cotangentOf } from "./student-loss.ts";

// What drawing κ does to the student's gradient (spec §1, "Facts about (7)"): the mean stays that of the fixed control, the variance does not.

const process = processOf(noiseSchedule({ ...ddimDefaults, betaStart: 0.00085, betaEnd: 0.012, betaSchedule: "scaled_linear" }));
const batch = 4;
const shape = [batch, 2, 2, 2];
const [text, nullText] = [1, 0].map((value) => ({ tokens: tensor([[[value]]]) }));
const draws = 300;

/** A student of one number, and the gradient of that number for each of so many draws of κ. Samples of the batch are alike, so that only κ tells them apart. */
function gradients(seed: number, sampler: KappaSampler, { agreed = false, count = draws } = {}): Promise<number[]> {
  return scope(async () => {
    const one = (stream: number) => broadcastTo(normal([1, ...shape.slice(1)], { key: seed, stream }), shape);
    const [picture, noise, psiC, psiU, piC, piU] = [0, 1, 2, 3, 4, 5].map(one);
    const says =
      (conditional: Tensor, unconditional: Tensor): Predictor =>
      (_x, _t, context) =>
        context === text ? conditional : unconditional;
    const teacher = says(psiC, psiU);
    const times = timesAt(process, new Array<number>(batch).fill(500), picture.device);
    const column = (values: Float32Array) => tensor([...values]).reshape([batch, 1, 1, 1]);
    const found: number[] = [];
    for (let i = 0; i < count; i++) {
      const drawn = drawKappas(sampler, { batch, key: foldIn(keyFromSeed(seed), i) });
      const kappa = { teacher: column(drawn.teacher), lora: column(drawn.lora) };
      const loss = (theta: Tensor) => {
        const x0 = picture.mul(theta);
        const scores = { method: distillMethods.pgSb, teacher, lora: agreed ? teacher : says(piC, piU), prompts: { text, nullText } };
        return distillationLoss(x0, cotangentOf(x0, { ...scores, draws: { times, noise, kappa } }));
      };
      found.push(await scope(() => grad(loss)(tensor(1)).item()));
    }
    return found;
  });
}

const mean = (values: readonly number[]) => values.reduce((sum, v) => sum + v, 0) / values.length;
const variance = (values: readonly number[]) => values.reduce((sum, v) => sum + (v - mean(values)) ** 2, 0) / (values.length - 1);
const property = (check: (seed: number) => Promise<void>) =>
  fc.assert(fc.asyncProperty(fc.integer({ min: 0, max: 2 ** 31 }), check), { numRuns: 3 });

describe.each(["batch", "sample"] as const)("κ drawn for each %s", (per) => {
  test.each(["shared", "independent"] as const)("with %s draws leaves the expected gradient at that of the mean κ", (how) =>
    property(async (seed) => {
      const random = await gradients(seed, uniformKappa(0.5, 4, { per, draws: how }));
      const [fixed] = await gradients(seed, meanKappa(0.5, 4), { count: 1 });
      // Five standard errors, and what f32 rounds of scores below 6, guided fivefold.
      expect(Math.abs(mean(random) - fixed)).toBeLessThan(5 * Math.sqrt(variance(random) / draws) + 1e-5);
    }),
  );
});

test("κ drawn for each sample gives the gradient 1/B of the variance that one draw for the batch gives it", () =>
  property(async (seed) => {
    const [each, whole] = [
      variance(await gradients(seed, uniformKappa(0.5, 4, { per: "sample" }))),
      variance(await gradients(seed, uniformKappa(0.5, 4, { per: "batch" }))),
    ];
    // A variance estimated from n draws is off by √(2/n) = 8 % at most (normal; less for uniform): five standard errors of a ratio are 0.58.
    expect(Math.abs((batch * each) / whole - 1)).toBeLessThan(5 * Math.SQRT2 * Math.sqrt(2 / draws));
  }));

test("where the LoRA teacher agrees with the teacher a shared draw moves nothing, and two draws do, as often this way as that", () =>
  property(async (seed) => {
    const shared = await gradients(seed, uniformKappa(0.5, 4), { agreed: true });
    expect(shared.every((g) => g === 0)).toBe(true);
    const apart = await gradients(seed, uniformKappa(0.5, 4, { draws: "independent" }), { agreed: true });
    expect(variance(apart)).toBeGreaterThan(0);
    expect(Math.abs(mean(apart))).toBeLessThan(5 * Math.sqrt(variance(apart) / draws));
  }));
