import { readFileSync } from "node:fs";
import { join } from "node:path";
import { expect, test } from "vitest";
import { safetensors } from "../../../../test/oracles/safetensors.ts";
import { clipScore, cosines } from "./cosine.ts";
import { normalisedEntropy } from "./entropy.ts";
import type { Features } from "./features.ts";
import { frechetDistance } from "./frechet.ts";
import { momentsOf } from "./moments.ts";
import { precisionRecall } from "./precision-recall.ts";
import { spreadOf } from "./spread.ts";

// What NumPy makes of the same features: eigenvalues of the unsymmetric product, all distances at once.

const golden = join(import.meta.dirname, "../../../../test/golden/metrics");
const { cases, entropies, spread } = JSON.parse(readFileSync(`${golden}.json`, "utf8"));
const tensors = safetensors(readFileSync(`${golden}.safetensors`));
const read = (name: string) => tensors[name] as unknown as Features;
const distances = cases.filter(({ kind }: { kind: string }) => kind === "distance");

test.each<{ name: string; frechet: number; traces: number }>(distances)(
  "the Fréchet distance of $name is NumPy's",
  ({ name, frechet, traces }) => {
    const [x, y] = [momentsOf(read(`${name}.x`)), momentsOf(read(`${name}.y`))];
    // An eigenvalue is off by a few 2⁻⁵² of the largest, and the root of the least by that times √condition / 2. The products' condition is at
    // most 4.5e6, which makes 2e-13 of ‖Σ‖ for the least; all of it lies below the sum of both traces.
    expect(Math.abs(frechetDistance(x, y) - frechet)).toBeLessThan(1e-12 * traces);
  },
);

test.each<{ name: string; neighbours: { k: number; precision: number; recall: number }[] }>(distances)(
  "precision and recall of $name are NumPy's",
  ({ name, neighbours }) => {
    for (const { k, ...wanted } of neighbours) {
      // Counts over counts: equal or wrong.
      expect(precisionRecall(read(`${name}.x`), read(`${name}.y`), { k })).toEqual(wanted);
    }
  },
);

test("cosines and their mean are NumPy's", () => {
  const [x, y] = [read("cosines.x"), read("cosines.y")];
  const { cosines: wanted, mean } = cases.find(({ kind }: { kind: string }) => kind === "cosines");
  // Sums of 16 products in another order: a few 2⁻⁵² of lengths' product, which is the unit.
  for (const [i, value] of cosines(x, y).entries()) expect(Math.abs(value - wanted[i])).toBeLessThan(16 * Number.EPSILON);
  expect(Math.abs(clipScore(x, y) - mean)).toBeLessThan(16 * Number.EPSILON);
});

test.each<{ counts: number[]; entropy: number }>(entropies)("the entropy of $counts is NumPy's", ({ counts, entropy }) => {
  expect(Math.abs(normalisedEntropy(counts) - entropy)).toBeLessThan(8 * Number.EPSILON);
});

test("mean and spread are NumPy's", () => {
  const { mean, spread: deviation } = spreadOf(spread.values);
  expect(mean).toBeCloseTo(spread.mean, 15);
  expect(deviation).toBeCloseTo(spread.spread, 15);
});
