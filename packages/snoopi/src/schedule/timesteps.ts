import { SnoopiError } from "@snoopi/core";
import { lastTimestep, type NoiseSchedule } from "./noise-schedule.ts";

/**
 * The training timesteps an n-step DDIM sampler visits, noisiest first, as diffusers' `DDIMScheduler.set_timesteps(n)` chooses them
 * whatever scheduler class the config names. Where diffusers' `trailing` runs one step past the end, to −1, that step is dropped.
 * Note that one `leading` step is at timestep `stepsOffset` and one `linspace` step at 0: one-step generators use `lastTimestep`.
 *
 * @throws SnoopiError when n is not from 1 to the number of training timesteps, or `stepsOffset` leads past the last of them.
 */
export function timesteps(schedule: NoiseSchedule, n: number): number[] {
  const { numTrainTimesteps, timestepSpacing, stepsOffset } = schedule.config;
  checkSteps(schedule, n);
  const chosen = spacings[timestepSpacing](numTrainTimesteps, n, stepsOffset);
  if (chosen[0] > lastTimestep(schedule)) {
    throw new SnoopiError(
      `timesteps: ${n} steps with steps_offset ${stepsOffset} start at timestep ${chosen[0]}, past the last trained one, ${lastTimestep(schedule)}. Take fewer steps.`,
    );
  }
  return chosen;
}

/** How many evenly spaced timesteps LCMs and LCM-LoRAs were distilled on. */
export const lcmGrid = 50;

/**
 * The timesteps of diffusers' `LCMScheduler` for n steps, noisiest first: evenly chosen of the {@link lcmGrid} ones.
 *
 * @throws SnoopiError when n is not from 1 to their number.
 */
export function lcmTimesteps({ config: { numTrainTimesteps } }: NoiseSchedule, n: number): number[] {
  const most = Math.min(lcmGrid, numTrainTimesteps);
  if (!Number.isInteger(n) || n < 1 || n > most)
    throw new SnoopiError(`timesteps: lcm takes 1 to ${most} steps, not ${n}. Four are usual.`);
  const stride = Math.floor(numTrainTimesteps / most);
  return Array.from({ length: n }, (_, i) => (most - Math.floor((i * most) / n)) * stride - 1);
}

/** @throws SnoopiError when n-step sampling is not defined on this schedule. */
export function checkSteps(schedule: NoiseSchedule, n: number): void {
  const most = schedule.config.numTrainTimesteps;
  if (!Number.isInteger(n) || n < 1 || n > most) {
    throw new SnoopiError(
      `timesteps: cannot take ${n} steps. Pass a whole number from 1 to ${most}, the timesteps the model was trained on.`,
    );
  }
}

const spacings = {
  leading: (total: number, n: number, offset: number): number[] => {
    const stride = Math.floor(total / n);
    return Array.from({ length: n }, (_, i) => (n - 1 - i) * stride + offset);
  },
  trailing: (total: number, n: number): number[] => {
    // NumPy's arange is first + i·(second − first): the rounding of that difference decides some timesteps.
    const difference = total - total / n - total;
    return Array.from({ length: n }, (_, i) => roundHalfEven(total + i * difference) - 1);
  },
  linspace: (total: number, n: number): number[] => {
    const step = n > 1 ? (total - 1) / (n - 1) : 0;
    const rising = Array.from({ length: n }, (_, i) => roundHalfEven(i > 0 && i === n - 1 ? total - 1 : i * step));
    return rising.reverse();
  },
};

/** NumPy's rounding: a tie goes to the even neighbour, where `Math.round` goes up. */
function roundHalfEven(value: number): number {
  const below = Math.floor(value);
  const rest = value - below;
  if (rest !== 0.5) return rest < 0.5 ? below : below + 1;
  return below % 2 === 0 ? below : below + 1;
}
