import { SnoopiError } from "@snoopi/core";

export interface Spread {
  readonly count: number;
  readonly mean: number;
  /** The standard deviation with n − 1, from two values on. One value shows none, which is not the same as 0. */
  readonly spread?: number;
}

/**
 * The mean of a figure over seeds, and its standard deviation.
 *
 * @throws SnoopiError for no values, or values that are not finite.
 */
export function spreadOf(values: readonly number[]): Spread {
  const count = values.length;
  if (count === 0) throw new SnoopiError("spread: there are no values. Pass one for each seed.");
  const bad = values.findIndex((value) => !Number.isFinite(value));
  if (bad >= 0) throw new SnoopiError(`spread: value ${bad} of ${count} is ${values[bad]}. Run that seed again, or leave it out.`);
  const mean = values.reduce((sum, value) => sum + value, 0) / count;
  if (count === 1) return { count, mean };
  return { count, mean, spread: Math.sqrt(values.reduce((sum, value) => sum + (value - mean) ** 2, 0) / (count - 1)) };
}

/** `12.3 ± 0.4`, or `12.3` of one seed. */
export function showSpread({ mean, spread }: Spread, { digits = 2 }: { digits?: number } = {}): string {
  return spread === undefined ? mean.toFixed(digits) : `${mean.toFixed(digits)} ± ${spread.toFixed(digits)}`;
}
