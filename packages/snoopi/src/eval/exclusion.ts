import { SnoopiError } from "@snoopi/core";

/** How often pictures lack the attribute that the negative prompt names, in percent, for one pair of prompt and negative prompt. */
export interface ExclusionPair {
  readonly prompt: string;
  readonly negative: string;
  /** Which pairs are complementary: a person is male or female, a pet a cat or a dog. */
  readonly couple: string;
  /** The rate without the negative prompt, 0 to 100. */
  readonly before: number;
  /** The rate with it. */
  readonly after: number;
}

export interface ExclusionMean {
  readonly before: number;
  readonly after: number;
  readonly pairs: readonly ExclusionPair[];
}

/**
 * The share of judgements that say "excluded", in percent.
 *
 * @throws SnoopiError for no judgements.
 */
export function exclusionRate(excluded: readonly boolean[]): number {
  if (excluded.length === 0) throw new SnoopiError("exclusion rate: there are no judgements. Judge at least 1 picture.");
  return (100 * excluded.filter(Boolean).length) / excluded.length;
}

/**
 * The mean over all pairs. Where couples are complementary `before` is always 50, whatever the model.
 *
 * @throws SnoopiError for no pairs, or rates that are not from 0 to 100.
 */
export function meanOverPairs(pairs: readonly ExclusionPair[]): ExclusionMean {
  if (pairs.length === 0) throw new SnoopiError("exclusion: there are no pairs. Pass at least 1.");
  for (const { prompt, negative, before, after } of pairs) {
    for (const rate of [before, after]) {
      if (rate >= 0 && rate <= 100) continue;
      throw new SnoopiError(`exclusion: the rate of "${prompt}" without "${negative}" is ${rate}. It has to be a percentage, 0 to 100.`);
    }
  }
  const mean = (of: "before" | "after") => pairs.reduce((sum, pair) => sum + pair[of], 0) / pairs.length;
  return { before: mean("before"), after: mean("after"), pairs };
}

/**
 * The mean over the harder pair of each couple, which is what SNOOPI's Table 3 prints of its Table 7: the harder one has the lower rate
 * *before*, for this model, and the same pair is taken after. Ties go to the lower rate after.
 *
 * @throws SnoopiError as `meanOverPairs`, and when a couple has only one pair.
 */
export function meanOverHarder(pairs: readonly ExclusionPair[]): ExclusionMean {
  meanOverPairs(pairs);
  const harder = [...new Set(pairs.map(({ couple }) => couple))].map((couple) => {
    const members = pairs.filter((pair) => pair.couple === couple);
    if (members.length < 2) {
      throw new SnoopiError(`exclusion: the couple "${couple}" has 1 pair, "${members[0].negative}". Pass its counterpart as well.`);
    }
    return members.reduce((a, b) => (b.before < a.before || (b.before === a.before && b.after < a.after) ? b : a));
  });
  return meanOverPairs(harder);
}
