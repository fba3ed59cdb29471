import type { Case } from "./cases.ts";
import type { Child } from "./child.ts";
import type { Sample } from "./messages.ts";

/** One library's result in one case: all samples of all rounds. */
export interface Outcome {
  readonly library: string;
  readonly samples: readonly Sample[];
  /** The first run: inputs uploaded, kernels not yet compiled. */
  readonly first?: Sample;
  /** Relative error at scattered points. */
  readonly error?: number;
  /** Why there are no samples. */
  readonly refused?: string;
}

/** Largest relative error that counts as right: f32 sums of thousands of terms are below 1e-5, wrong results far above. */
const tolerance = 1e-3;
/** One sample runs for about this long, so that waiting and polling (1 ms) weigh little. */
const sampleMs = 60;
/** Lazy libraries keep all results of a sample: no more bytes than this, or the sample would measure memory. */
const sampleBytes = 2 ** 24;
/** Slower than the first, one sample a round is enough; slower than the second, one in all. */
const [slowMs, tooSlowMs] = [500, 3000];

/** Measures one case with all libraries: each checks its result first, then they take turns for `rounds` rounds. */
export async function measure(c: Case, children: readonly Child[], rounds: number): Promise<Outcome[]> {
  const samples = new Map<Child, Sample[]>();
  const outcomes = new Map<Child, Omit<Outcome, "samples">>();
  const once = new Map<Child, { ms: number; most: number }>();
  for (const child of children) {
    const answer = await child.ask({ kind: "prepare", name: c.name });
    const library = child.info.name;
    if (answer.kind !== "prepared") {
      outcomes.set(child, { library, refused: answer.kind === "failed" ? answer.message : "has no such op" });
      continue;
    }
    const { first, error } = answer;
    const wrong = error < tolerance ? undefined : `wrong: relative error ${error.toExponential(1)}`;
    outcomes.set(child, { library, first, error, ...(wrong && { refused: wrong }) });
    if (wrong) continue;
    once.set(child, { ms: answer.once.wall, most: Math.max(1, Math.min(16, Math.floor(sampleBytes / answer.bytes))) });
    samples.set(child, answer.once.wall > slowMs ? [answer.once] : []);
  }
  for (let round = 0; round < rounds; round++) {
    for (const [child, all] of samples) {
      const { ms, most } = once.get(child)!;
      if (ms > tooSlowMs) continue;
      const times = Math.max(1, Math.min(most, Math.round(sampleMs / ms)));
      const answer = await child.ask({ kind: "measure", samples: ms > slowMs ? 1 : 3, times });
      if (answer.kind === "measured") all.push(...answer.samples);
    }
  }
  return children.map((child) => ({ samples: samples.get(child) ?? [], ...outcomes.get(child)! }));
}
