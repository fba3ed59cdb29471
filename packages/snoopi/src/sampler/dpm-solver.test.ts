import fc from "fast-check";
import { expect, test } from "vitest";
import { ddimDefaults, stableDiffusionConfig } from "../schedule/config.ts";
import { noiseSchedule } from "../schedule/noise-schedule.ts";
import { dpmSolverSteps } from "./dpm-solver.ts";

const schedule = noiseSchedule(
  stableDiffusionConfig({ ...ddimDefaults, betaStart: 0.00085, betaEnd: 0.012, betaSchedule: "scaled_linear" }),
);

/** x₀ after n steps with ε = 0.6·tanh(x), in float64. */
function solved(n: number, start: number): number {
  let [x, before] = [start, 0];
  for (const step of dpmSolverSteps(schedule, n)) {
    const x0 = (x - schedule.sigma(step.t) * 0.6 * Math.tanh(x)) / schedule.alpha(step.t);
    x = step.x * x + step.now * x0 + step.before * before;
    before = x0;
  }
  return x;
}

// DPMSolverMultistepScheduler of diffusers 0.42.1: dpmsolver++, order 2, trailing, scaled_linear, in float64, with x from −1.5 to 2.
test.each([
  [1, [-14.036176, -1.840187, 2.527836, 20.844285]],
  [2, [-13.944386, -1.341187, 2.01518, 20.809475]],
  [5, [-13.676335, -0.792514, 1.28388, 20.705768]],
  [10, [-13.530566, -0.732759, 1.16868, 20.640315]],
])("%i steps end where diffusers' do", (n, wanted) => {
  // α and σ are f32 here: 6e-8 of them, times the 14 of 1/α at the start, and six decimals there.
  [-1.5, -0.3, 0.4, 2].forEach((start, i) => {
    expect(solved(n, start) / wanted[i]).toBeCloseTo(1, 5);
  });
});

test("a network that always sees the same picture is followed exactly", () => {
  fc.assert(
    fc.property(
      fc.integer({ min: 1, max: 50 }),
      fc.double({ min: -2, max: 2, noNaN: true }),
      fc.double({ min: -2, max: 2, noNaN: true }),
      (n, x0, eps) => {
        const steps = dpmSolverSteps(schedule, n);
        let x = schedule.alpha(steps[0].t) * x0 + schedule.sigma(steps[0].t) * eps;
        for (const [i, step] of steps.entries()) {
          x = step.x * x + (step.now + step.before) * x0;
          const next = steps[i + 1];
          const wanted = next ? schedule.alpha(next.t) * x0 + schedule.sigma(next.t) * eps : x0;
          // f32 of α and σ, and of the sums of numbers up to 4.
          expect(Math.abs(x - wanted)).toBeLessThan(2e-5);
        }
      },
    ),
  );
});

// The same of v = 0.6·tanh(x) with betas rescaled to zero terminal SNR.
test.each([
  [2, [-0.105327, 0.004323, -0.004831, 0.248571]],
  [3, [-0.334976, -0.042587, 0.057839, 0.552372]],
  [5, [-0.566019, -0.085098, 0.114715, 0.876131]],
  [10, [-0.69887, -0.108502, 0.146104, 1.065276]],
])("%i steps from no signal at all end where diffusers' do", (n, wanted) => {
  const rescaled = noiseSchedule({ ...schedule.config, rescaleBetasZeroSnr: true });
  [-1.5, -0.3, 0.4, 2].forEach((start, i) => {
    let [x, before] = [start, 0];
    for (const step of dpmSolverSteps(rescaled, n)) {
      const x0 = rescaled.alpha(step.t) * x - rescaled.sigma(step.t) * 0.6 * Math.tanh(x);
      x = step.x * x + step.now * x0 + step.before * before;
      before = x0;
    }
    // diffusers' α is 2⁻¹² and not 0 at the start, where x is up to 2.
    expect(Math.abs(x - wanted[i])).toBeLessThan(2 * 2 ** -12);
  });
});
