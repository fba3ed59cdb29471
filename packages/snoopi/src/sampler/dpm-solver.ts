import type { NoiseSchedule } from "../schedule/noise-schedule.ts";
import { timesteps } from "../schedule/timesteps.ts";

/** One step of a solver: x' = x·`x` + x₀·`now` + x₀ of the step before·`before`, with x₀ as the network sees it at t. */
export interface SolverStep {
  readonly t: number;
  readonly x: number;
  readonly now: number;
  /** 0 at the first step. */
  readonly before: number;
}

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
    const slope = i > 0 ? h / (2 * (logSnr(t) - logSnr(at[i - 1]))) : 0;
    return { t, x: schedule.sigma(next) / schedule.sigma(t), now: towards * (1 + slope), before: 0 - towards * slope };
  });
}
