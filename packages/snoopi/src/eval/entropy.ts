import { SnoopiError } from "@snoopi/core";

/**
 * How evenly an attribute's values are drawn: the entropy of its histogram over the entropy of a flat one, from 0 (always the same value) to 1.
 * `counts` has an entry for every value there is, 0 for those that were never drawn.
 *
 * @throws SnoopiError for fewer than two bins, no samples, or a negative count.
 */
export function normalisedEntropy(counts: readonly number[]): number {
  if (counts.length < 2) throw new SnoopiError(`entropy: ${counts.length} bins have none. Pass a count for every value, at least 2.`);
  const bad = counts.findIndex((count) => !(count >= 0 && count < Number.POSITIVE_INFINITY));
  if (bad >= 0) throw new SnoopiError(`entropy: bin ${bad} holds ${counts[bad]}. It has to be 0 or more.`);
  const total = counts.reduce((sum, count) => sum + count, 0);
  if (total === 0) throw new SnoopiError("entropy: all bins are empty. Count at least 1 sample.");
  const entropy = counts.reduce((sum, count) => (count === 0 ? sum : sum - (count / total) * Math.log(count / total)), 0);
  return Math.min(1, entropy / Math.log(counts.length));
}
