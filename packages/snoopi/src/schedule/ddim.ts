import { alphaOf, type NoiseSchedule, sigmaOf } from "./noise-schedule.ts";
import { checkSteps } from "./timesteps.ts";

/** The numbers of one DDIM step from t to an earlier timestep, in f32. */
export interface DdimCoefficients {
  readonly alphaT: number;
  readonly sigmaT: number;
  readonly alphaPrev: number;
  readonly sigmaPrev: number;
}

/**
 * The timestep an n-step DDIM sampler steps to from t: t − ⌊T/n⌋. This is what diffusers uses for every spacing, so it need not be
 * the next of `timesteps`; a negative one means the end of the chain.
 */
export function previousTimestep(schedule: NoiseSchedule, t: number, n: number): number {
  checkSteps(schedule, n);
  return t - Math.floor(schedule.config.numTrainTimesteps / n);
}

/**
 * Coefficients of the deterministic step x' = alphaPrev·x₀ + sigmaPrev·ε (Song et al. 2021, equation 12 with η = 0), where x₀ and ε
 * come from the model's output at x = alphaT·x₀ + sigmaT·ε.
 *
 * @param previousT the timestep to arrive at. A negative one is the end of the chain: ᾱ is 1 there with `setAlphaToOne`, else ᾱ₀.
 * @throws SnoopiError when t, or a previousT that is not negative, is no timestep of the schedule.
 */
export function ddimCoefficients(schedule: NoiseSchedule, t: number, previousT: number): DdimCoefficients {
  const final = schedule.config.setAlphaToOne ? 1 : schedule.alphasCumprod[0];
  const ended = previousT < 0;
  return {
    alphaT: schedule.alpha(t),
    sigmaT: schedule.sigma(t),
    alphaPrev: ended ? alphaOf(final) : schedule.alpha(previousT),
    sigmaPrev: ended ? sigmaOf(final) : schedule.sigma(previousT),
  };
}
