import { fillUniform, type Key, SnoopiError } from "@snoopi/core";

/** Timesteps from `from` on, below `below`: torch's `randint(from, below)`. */
export interface TimeRange {
  readonly from: number;
  readonly below: number;
}

/** Ranges of published methods, for 1000 training timesteps. */
export const timeRanges = {
  /** SwiftBrush and SNOOPI's student, DMD and DMD2 (0.02 T to 0.98 T, both ends included). */
  vsd: { from: 20, below: 981 },
  /** What a LoRA teacher learns on. */
  all: { from: 0, below: 1000 },
  /** PixArt's DMD. */
  pixartDmd: { from: 1, below: 950 },
} as const satisfies Record<string, TimeRange>;

/**
 * One timestep for each of `batch` samples, uniform in the range.
 * @throws SnoopiError when the range is empty, or its ends are not whole numbers ≥ 0.
 */
export function drawTimesteps({ from, below }: TimeRange, { batch, key }: { readonly batch: number; readonly key: Key }): number[] {
  if (!Number.isSafeInteger(from) || !Number.isSafeInteger(below) || from < 0 || from >= below) {
    throw new SnoopiError(`time range: there is no timestep from ${from} to below ${below}. Give whole numbers, 0 ≤ from < below.`);
  }
  const draws = new Float32Array(batch);
  fillUniform(key, 0, draws);
  return [...draws].map((u) => from + Math.floor(u * (below - from)));
}
