import { expect, test } from "vitest";
import { ddimDefaults, type ScheduleConfig } from "./config.ts";
import { ddimCoefficients, previousTimestep } from "./ddim.ts";
import { noiseSchedule } from "./noise-schedule.ts";
import { timesteps } from "./timesteps.ts";

const stableDiffusion: ScheduleConfig = {
  ...ddimDefaults,
  betaStart: 0.00085,
  betaEnd: 0.012,
  betaSchedule: "scaled_linear",
  stepsOffset: 1,
};

/** α_t, σ_t, α_prev, σ_prev that diffusers 0.42.1's DDIMScheduler.step computes for 4 steps. */
const reference: [string, ScheduleConfig, number[][]][] = [
  [
    "ending at ᾱ = 1",
    { ...stableDiffusion, setAlphaToOne: true },
    [
      [0.23604869842529297, 0.9717411994934082, 0.5244033336639404, 0.8514699935913086],
      [0.5244033336639404, 0.8514699935913086, 0.8198482394218445, 0.572580873966217],
      [0.8198482394218445, 0.572580873966217, 0.9991476535797119, 0.04127926379442215],
      [0.9991476535797119, 0.04127926379442215, 1, 0],
    ],
  ],
  [
    "rescaled to zero SNR, ending at ᾱ of timestep 0",
    { ...stableDiffusion, setAlphaToOne: false, rescaleBetasZeroSnr: true },
    [
      [0.18008233606815338, 0.9836515784263611, 0.48957332968711853, 0.8719621300697327],
      [0.48957332968711853, 0.8719621300697327, 0.8066743612289429, 0.5909961462020874],
      [0.8066743612289429, 0.5909961462020874, 0.9991163611412048, 0.042029786854982376],
      [0.9991163611412048, 0.042029786854982376, 0.9995748996734619, 0.029155133292078972],
    ],
  ],
];

test.each(reference)("the coefficients of four steps %s are diffusers'", (_, config, rows) => {
  const schedule = noiseSchedule(config);
  timesteps(schedule, 4).forEach((t, step) => {
    const { alphaT, sigmaT, alphaPrev, sigmaPrev } = ddimCoefficients(schedule, t, previousTimestep(schedule, t, 4));
    [alphaT, sigmaT, alphaPrev, sigmaPrev].forEach((value, i) => {
      // One unit in the last place of a root (6e-8); through 1 − ᾱ the rescaled ᾱ's 4e-7 reaches the smallest σ as 4e-7/(2·0.029).
      expect(Math.abs(value - rows[step][i])).toBeLessThan(config.rescaleBetasZeroSnr ? 7e-6 : 6.1e-8);
    });
  });
});

test("the previous timestep is a whole stride back, whatever the spacing", () => {
  const schedule = noiseSchedule({ ...ddimDefaults, timestepSpacing: "linspace" });
  expect(previousTimestep(schedule, 999, 3)).toBe(666);
  expect(previousTimestep(schedule, 0, 3)).toBe(-333);
});

test("a step from a timestep that is not there is refused", () => {
  const schedule = noiseSchedule(ddimDefaults);
  expect(() => ddimCoefficients(schedule, 1000, 900)).toThrow("there is no timestep 1000");
  expect(() => ddimCoefficients(schedule, 900, 1000)).toThrow("there is no timestep 1000");
});
