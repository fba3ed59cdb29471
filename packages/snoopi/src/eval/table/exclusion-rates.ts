import type { Constraint } from "../../world/attributes.ts";
import { captionOf } from "../../world/caption.ts";
import { type ExclusionPair, meanOverHarder, meanOverPairs } from "../exclusion.ts";
import { type Spread, spreadOf } from "../spread.ts";
import type { Group, Way } from "./exclusion-pairs.ts";
import type { Figures } from "./figures.ts";

/** Results of one way with one group of pairs, in percent. */
export interface Line {
  readonly model: string;
  readonly steps: number;
  readonly group: string;
  readonly way: Way;
  readonly aggregates: Readonly<Record<string, Spread>>;
  readonly pairs: readonly Readonly<Record<string, number | string>>[];
}

export interface Pair {
  readonly lacks: Constraint;
  readonly before: Figures;
  readonly after: Figures;
}

const share = (figures: Figures, key: "lacking" | "valid" | "lackingAndValid" | "fidelity") => 100 * (figures[key] ?? 0);
const average = (values: readonly number[]) => values.reduce((a, b) => a + b, 0) / values.length;

/** The aggregates of a group, from runs by training and seed. Spreads are over trainings where there are several, else over seeds. */
export function spreads(runs: readonly (readonly (readonly Pair[])[])[], group: Group): Record<string, Spread> {
  const all = runs.map((seeds) => seeds.map((pairs) => aggregatesOf(pairs, group)));
  const key = (name: string) => all.map((seeds) => seeds.map((one) => one[name]));
  return Object.fromEntries(Object.keys(all[0][0]).map((name) => [name, spreadOf(all.length > 1 ? key(name).map(average) : key(name)[0])]));
}

/** Both means of the paper, with quality of the pictures that each is taken from. */
function aggregatesOf(pairs: readonly Pair[], group: Group): Record<string, number> {
  const rates = pairs.map(({ lacks, before, after }) => ({
    prompt: group.name,
    negative: captionOf(lacks),
    couple: Object.keys(lacks)[0],
    before: share(before, "lacking"),
    after: share(after, "lacking"),
  }));
  const quality = (chosen: readonly ExclusionPair[]) => {
    const figures = chosen.map((pair) => pairs[rates.findIndex(({ negative }) => negative === pair.negative)].after);
    const mean = (key: "valid" | "lackingAndValid" | "fidelity") => average(figures.map((one) => share(one, key)));
    return { valid: mean("valid"), both: mean("lackingAndValid"), prompt: mean("fidelity") };
  };
  const all = meanOverPairs(rates);
  const hard = group.couples ? meanOverHarder(rates) : undefined;
  const ofHard = hard && quality(hard.pairs);
  return {
    without: all.after,
    ...quality(all.pairs),
    ...(hard && ofHard && { harderWithout: hard.after, harderValid: ofHard.valid, harderBoth: ofHard.both }),
  };
}

export function pairsOf(runs: readonly (readonly Pair[])[]): Record<string, number | string>[] {
  return runs[0].map(({ lacks }, i) => {
    const mean = (key: "lacking" | "valid" | "lackingAndValid" | "fidelity", when: "before" | "after") =>
      average(runs.map((pairs) => share(pairs[i][when], key)));
    return {
      negative: captionOf(lacks),
      before: mean("lacking", "before"),
      without: mean("lacking", "after"),
      valid: mean("valid", "after"),
      both: mean("lackingAndValid", "after"),
      prompt: mean("fidelity", "after"),
    };
  });
}
