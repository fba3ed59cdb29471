import { type Device, scope, type Tensor, tensor, torchGenerator } from "@snoopi/core";
import type { Context } from "@snoopi/models";
import { cfg, type Denoiser, ddimDefaults, denoiser, lastTimestep, noiseAt, noiseSchedule, oneStep } from "@snoopi/snoopi";
import fc from "fast-check";
import { describe, expect, test } from "vitest";
import { devices } from "../devices.ts";
import { relativeError } from "../models/goldens.ts";

const shape = [2, 4, 3, 3];
const normal = (seed: number, device: Device, sizes: readonly number[] = shape): Tensor =>
  tensor(torchGenerator(seed).randn(sizes.reduce((a, b) => a * b)), { shape: sizes, device });

/** A denoiser whose answer depends on the text alone, and that counts its calls. */
function answering(answers: ReadonlyMap<Context, Tensor>) {
  const calls: Context[] = [];
  const denoise: Denoiser = (_x, _t, context) => {
    calls.push(context);
    return answers.get(context)!;
  };
  return { denoise, calls };
}

for (const { name, device } of devices) {
  describe(`classifier-free guidance on ${name}`, () => {
    const [positive, negative] = [1, 2].map((seed) => ({ tokens: normal(seed, device, [1, 2, 3]) }));
    const [x, towards, away] = [3, 4, 5].map((seed) => normal(seed, device));
    const answers = new Map([
      [positive, towards],
      [negative, away],
    ]);

    test("is linear in its scale: (1 − κ)·negative + κ·positive", async () => {
      await fc.assert(
        fc.asyncProperty(fc.double({ min: 1.001, max: 30, noNaN: true }), (scale) =>
          scope(async () => {
            const { denoise } = answering(answers);
            const guided = cfg(denoise, { scale, negative })(x, 500, positive);
            const [p, n, found] = [await towards.data(), await away.data(), await guided.data()];
            // Three roundings in f32, of numbers up to κ·|p − n|.
            found.forEach((value, i) => {
              const bound = 3 * 2 ** -24 * (Math.abs(n[i]) + 2 * scale * (Math.abs(p[i]) + Math.abs(n[i])));
              expect(Math.abs(value - ((1 - scale) * n[i] + scale * p[i]))).toBeLessThanOrEqual(bound);
            });
          }),
        ),
        { numRuns: 20 },
      );
    });

    test("makes one pass with each text", () => {
      const { denoise, calls } = answering(answers);
      cfg(denoise, { scale: 7.5, negative })(x, 500, positive);
      expect(calls.toSorted((a, b) => +(a === negative) - +(b === negative))).toEqual([positive, negative]);
      expect(calls).toHaveLength(2);
    });

    test.each([1, 0.5, 0, -3])("makes no second pass at scale %d", (scale) => {
      const { denoise, calls } = answering(answers);
      expect(cfg(denoise, { scale, negative })(x, 500, positive)).toBe(towards);
      expect(calls).toEqual([positive]);
    });

    test("denoises with the negative by another denoiser where one is given", async () => {
      const [first, second] = [answering(answers), answering(new Map([[negative, towards]]))];
      const guided = cfg(first.denoise, { scale: 3, negative, negativeDenoiser: second.denoise })(x, 500, positive);
      expect([first.calls, second.calls]).toEqual([[positive], [negative]]);
      // Both say the same, so that there is nothing to steer by.
      expect(await relativeError(guided, towards)).toBe(0);
    });

    test.each(["epsilon", "v_prediction", "sample"])("on x₀ is guidance on what the network predicts: %s", async (predictionType) => {
      const schedule = noiseSchedule({ ...ddimDefaults, predictionType });
      const network = (_x: Tensor, _t: unknown, context: Context) => answers.get(context)!;
      const mixed = away.add(towards.sub(away).mul(5));
      const onX0 = cfg(denoiser(network, schedule), { scale: 5, negative })(x, 300, positive);
      const onPrediction = denoiser(() => mixed, schedule)(x, 300, positive);
      // A few roundings of 2⁻²⁴, which guidance makes 2·5 times as large and ε → x₀ 1/α times.
      expect(await relativeError(onX0, onPrediction)).toBeLessThan((50 * 2 ** -24) / noiseAt(schedule, 300).alpha);
    });

    test.each(["epsilon", "v_prediction", "sample"])("in one step is (1 − κ)·x₀(y₋) + κ·x₀(y), from %s", async (predictionType) => {
      const schedule = noiseSchedule({
        ...ddimDefaults,
        betaStart: 0.00085,
        betaEnd: 0.012,
        betaSchedule: "scaled_linear",
        predictionType,
      });
      const denoise = denoiser((_x, _t, context) => answers.get(context)!, schedule);
      const [kappa, alone] = [2.5, [positive, negative].map((text) => oneStep(denoise, schedule, x, text))];
      const guided = oneStep(cfg(denoise, { scale: kappa, negative }), schedule, x, positive);
      const [p, n, found] = [await alone[0].data(), await alone[1].data(), await guided.data()];
      // Three roundings in f32 of numbers up to κ·|p − n|.
      found.forEach((value, i) => {
        const bound = 3 * 2 ** -24 * (Math.abs(n[i]) + 2 * kappa * (Math.abs(p[i]) + Math.abs(n[i])));
        expect(Math.abs(value - ((1 - kappa) * n[i] + kappa * p[i]))).toBeLessThanOrEqual(bound);
      });
      // What Eq. A1 makes of ε guided by Eq. 5: one step magnifies roundings by 1/α = 14.6.
      if (predictionType !== "epsilon") return;
      const { alpha, sigma } = noiseAt(schedule, lastTimestep(schedule));
      const mixed = x
        .sub(
          away
            .mul(1 - kappa)
            .add(towards.mul(kappa))
            .mul(sigma),
        )
        .div(alpha);
      expect(await relativeError(guided, mixed)).toBeLessThan(50 * 2 ** -24);
    });
  });
}

test.each([Number.NaN, Number.POSITIVE_INFINITY])("guidance refuses the scale %d", (scale) => {
  const context = { tokens: normal(1, devices[0].device, [1, 2, 3]) };
  expect(() => cfg((x) => x, { scale, negative: context })).toThrow(`cfg: the scale is ${scale}, expected a finite number.`);
});
