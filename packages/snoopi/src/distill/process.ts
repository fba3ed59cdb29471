import { type Device, fromData, SnoopiError, type Tensor } from "@snoopi/core";
import type { NoiseSchedule } from "../schedule/noise-schedule.ts";

/** How x_t = α_t·x₀ + σ_t·ε is made at whole timesteps t (Eq. 1 of SNOOPI). A `NoiseSchedule` becomes one by {@link processOf}. */
export interface ForwardProcess {
  /** How many timesteps there are, from 0 on. */
  readonly timesteps: number;
  alpha(t: number): number;
  sigma(t: number): number;
  /** What a network is given for t. */
  fed(t: number): number;
}

/** α and σ of each sample of a batch, `[B, 1, 1, 1]`, in f32. */
export interface Levels {
  readonly alpha: Tensor;
  readonly sigma: Tensor;
}

/** The timestep of each sample of a batch, as a network and as the process take it. */
export interface Times extends Levels {
  /** What the network is given: `[B]`, f32. */
  readonly fed: Tensor;
}

/** The variance-preserving process of a discrete noise schedule. α and σ stay f32 whatever networks are stored in. */
export const processOf = (schedule: NoiseSchedule): ForwardProcess => ({
  timesteps: schedule.alphasCumprod.length,
  alpha: schedule.alpha,
  sigma: schedule.sigma,
  fed: (t) => t,
});

/**
 * The straight process of rectified flows, α = 1 − σ, with σ = (t + 1)/timesteps moved towards 1 by `shift`: s·σ / (1 + (s − 1)·σ).
 * Networks are given `timesteps`·σ, as by diffusers' `FlowMatchEulerDiscreteScheduler`.
 *
 * @throws SnoopiError for a shift that is not above 0 or timesteps that are no whole number above 0.
 */
export function flowProcess({
  timesteps = 1000,
  shift = 1,
}: {
  readonly timesteps?: number;
  readonly shift?: number;
} = {}): ForwardProcess {
  if (!Number.isSafeInteger(timesteps) || timesteps < 1) {
    throw new SnoopiError(`flow process: there are ${timesteps} timesteps. Give a whole number above 0.`);
  }
  if (!(Number.isFinite(shift) && shift > 0)) throw new SnoopiError(`flow process: the shift is ${shift}. Give a number above 0.`);
  const sigma = (t: number) => {
    checkTimestep(t, timesteps);
    const straight = (t + 1) / timesteps;
    return Math.fround((shift * straight) / (1 + (shift - 1) * straight));
  };
  return { timesteps, alpha: (t) => Math.fround(1 - sigma(t)), sigma, fed: (t) => timesteps * sigma(t) };
}

/** α and σ at each sample's timestep. @throws SnoopiError for a t that is no timestep of the process. */
export function levelsAt(process: ForwardProcess, t: readonly number[], device: Device): Levels {
  for (const one of t) checkTimestep(one, process.timesteps);
  return { alpha: perSample(t.map(process.alpha), device), sigma: perSample(t.map(process.sigma), device) };
}

/** {@link levelsAt} with what a network is given. Times as tensors can be arguments of a captured function. */
export const timesAt = (process: ForwardProcess, t: readonly number[], device: Device): Times => ({
  ...levelsAt(process, t, device),
  fed: fromData(Float32Array.from(t, process.fed), { shape: [t.length], dtype: "f32", device }),
});

/** α_t·x₀ + σ_t·ε (Eq. 1). */
export const addNoise = (x0: Tensor, eps: Tensor, { alpha, sigma }: Levels): Tensor => x0.mul(alpha).add(eps.mul(sigma));

/** One number for each sample of a batch of pictures: `[B, 1, 1, 1]`. */
export const perSample = (values: ArrayLike<number>, device: Device): Tensor =>
  fromData(Float32Array.from(values), { shape: [values.length, 1, 1, 1], dtype: "f32", device });

function checkTimestep(t: number, timesteps: number): void {
  if (Number.isInteger(t) && t >= 0 && t < timesteps) return;
  throw new SnoopiError(`process: there is no timestep ${t}. Pass a whole number from 0 to ${timesteps - 1}.`);
}
