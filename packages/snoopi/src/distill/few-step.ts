import { noGrad, SnoopiError, scope, type Tensor } from "@snoopi/core";
import type { Context, UNetOptions } from "@snoopi/models";
import { addNoise, type ForwardProcess, levelsAt } from "./process.ts";
import type { Predictor } from "./score.ts";

/** Timesteps of a student of `steps` steps, evenly spaced down from the last: 999, 749, 499, 249 for 4 of 1000 (DMD2). */
export function fewStepTimesteps({ timesteps }: Pick<ForwardProcess, "timesteps">, steps: number): number[] {
  if (!Number.isSafeInteger(steps) || steps < 1 || steps > timesteps) {
    throw new SnoopiError(`few steps: ${steps} steps of ${timesteps} timesteps. Give a whole number from 1 to ${timesteps}.`);
  }
  return Array.from({ length: steps }, (_, i) => timesteps - 1 - Math.floor((i * timesteps) / steps));
}

export interface FewStepOptions {
  readonly process: ForwardProcess;
  /** The timesteps the student runs at, in descending order: {@link fewStepTimesteps}. */
  readonly timesteps: readonly number[];
  /** The noise it starts from and one for each step after, `[B, C, h, w]`. If there are fewer than timesteps, it ends earlier. */
  readonly noises: readonly Tensor[];
  readonly text: Context;
  readonly options?: UNetOptions;
}

/**
 * The x_t that a multi-step student meets at its last step (backward simulation, DMD2): for each noise beyond the first, one earlier step
 * predicts x₀ and adds the noise. A student trained on it sees in training what it will see when it draws. No gradient flows through it.
 */
export function backwardSimulation(student: Predictor, { process, timesteps, noises, text, options = {} }: FewStepOptions): Tensor {
  check(process, timesteps, noises);
  const asked = (x: Tensor, i: number) => student(x, new Array<number>(x.shape[0]).fill(timesteps[i]), text, options);
  return noGrad(() =>
    scope(() => {
      let x = noises[0];
      for (let i = 1; i < noises.length; i++) {
        x = addNoise(asked(x, i - 1), noises[i], levelsAt(process, [timesteps[i]], x.device));
      }
      return x;
    }),
  );
}

/** x₀ of a multi-step student, one step for each noise: {@link backwardSimulation} and a last step, through which gradients flow. */
export function fewSteps(student: Predictor, settings: FewStepOptions): Tensor {
  const { timesteps, noises, text, options = {} } = settings;
  const x = backwardSimulation(student, settings);
  return student(x, new Array<number>(x.shape[0]).fill(timesteps[noises.length - 1]), text, options);
}

function check(process: ForwardProcess, timesteps: readonly number[], noises: readonly Tensor[]): void {
  const falls = timesteps.every((t, i) => i === 0 || t < timesteps[i - 1]);
  if (timesteps.length === 0 || !falls) throw new SnoopiError(`few steps: the timesteps are [${timesteps}]. Give them falling.`);
  if (timesteps[0] >= process.timesteps)
    throw new SnoopiError(`few steps: there is no timestep ${timesteps[0]} below ${process.timesteps}.`);
  if (noises.length > 0 && noises.length <= timesteps.length) return;
  throw new SnoopiError(`few steps: there are ${noises.length} noises for ${timesteps.length} timesteps. Give one each, or fewer.`);
}
