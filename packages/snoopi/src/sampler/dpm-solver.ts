import type { NoiseSchedule } from "../schedule/noise-schedule.ts";
import { timesteps } from "../schedule/timesteps.ts";

/** One step of a solver: x' = `x`·x + `now`·x₀ + `before`·(x₀ of the step before), with the network's x₀ at t. */
export interface SolverStep {
  readonly t: number;
  readonly x: number;
  readonly now: number;
  /** 0 at the first step. */
  readonly before: number;
}

/** log(α/σ) for slopes where there is no signal (zero terminal SNR) and it is minus infinity: diffusers takes ᾱ = 2⁻²⁴ there. */
const noSignal = Math.log(2 ** -12);

/**
 * DPM-Solver++(2M) for x₀-prediction (Lu et al. 2022, Algorithm 2), as diffusers' `DPMSolverMultistepScheduler` with `trailing` timesteps,
 * which begin at the last one, and without noise left at the end. Two x₀ make each step of second order in log(α/σ), but for the first and
 * last.
 *
 * @throws SnoopiError when n is not from 1 to the number of training timesteps.
 */
export function dpmSolverSteps(schedule: NoiseSchedule, n: number): SolverStep[] {
  const trailing = { ...schedule, config: { ...schedule.config, timestepSpacing: "trailing" as const } };
  const at = timesteps(trailing, n);
  const logSnr = (t: number) => Math.log(schedule.alpha(t)) - Math.log(schedule.sigma(t));
  return at.map((t, i) => {
    if (i === n - 1) return { t, x: 0, now: 1, before: 0 };
    const next = at[i + 1];
    const h = logSnr(next) - logSnr(t);
    const towards = -schedule.alpha(next) * Math.expm1(-h);
    // Half the slope of x₀ between the last two timesteps, for the one that follows.
    const ago = i > 0 ? logSnr(at[i - 1]) : undefined;
    const slope = ago === undefined ? 0 : h / (2 * (logSnr(t) - (ago === Number.NEGATIVE_INFINITY ? noSignal : ago)));
    return { t, x: schedule.sigma(next) / schedule.sigma(t), now: towards * (1 + slope), before: 0 - towards * slope };
  });
}
