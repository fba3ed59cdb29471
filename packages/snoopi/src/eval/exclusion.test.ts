import { expect, test } from "vitest";
import { type ExclusionPair, exclusionRate, meanOverHarder, meanOverPairs } from "./exclusion.ts";

const person = (negative: string, before: number, after: number): ExclusionPair => ({
  prompt: "A photo of a person",
  negative,
  couple: negative.endsWith("male") ? "sex" : "age",
  before,
  after,
});
const pet = (negative: string, before: number, after: number): ExclusionPair => ({
  prompt: "A photo of a pet",
  negative,
  couple: "species",
  before,
  after,
});

/**
 * SDXL-LCM in four steps of SNOOPI's Table 7. The easier members' rates before complete their couples to 100; after, they
 * sum to the 299 that the mean over six, 98.5, leaves.
 */
const lcm = [
  person("male", 52, 100),
  person("female", 48, 100),
  person("young", 55, 99),
  person("old", 45, 92),
  pet("cat", 36, 100),
  pet("dog", 64, 100),
];

test("the mean over the harder of each couple of Table 7 is what Table 3 prints", () => {
  const { before, after, pairs } = meanOverHarder(lcm);
  expect(pairs.map(({ negative }) => negative)).toEqual(["female", "old", "cat"]);
  expect([Math.round(before), Math.round(after)]).toEqual([43, 97]);
});

test("the mean over pairs of complementary couples says nothing before and less after", () => {
  const { before, after } = meanOverPairs(lcm);
  expect([before, after]).toEqual([50, 98.5]);
});

test("of equally hard pairs the one with the lower rate after counts, in either order", () => {
  const tie = [person("male", 50, 90), person("female", 50, 80)];
  expect(meanOverHarder(tie).after).toBe(80);
  expect(meanOverHarder(tie.toReversed()).after).toBe(80);
});

test("a rate is the share of pictures without the attribute, in percent", () => {
  expect(exclusionRate([true, false, true, true])).toBe(75);
  expect(() => exclusionRate([])).toThrow("exclusion rate: there are no judgements. Judge at least 1 picture.");
});

test("a couple without counterpart, a rate beyond 100 and no pairs are refused in one line", () => {
  expect(() => meanOverHarder([person("old", 40, 90)])).toThrow(
    'exclusion: the couple "age" has 1 pair, "old". Pass its counterpart as well.',
  );
  expect(() => meanOverPairs([pet("cat", 40, 101)])).toThrow('exclusion: the rate of "A photo of a pet" without "cat" is 101.');
  expect(() => meanOverPairs([pet("cat", Number.NaN, 1)])).toThrow("is NaN. It has to be a percentage, 0 to 100.");
  expect(() => meanOverPairs([])).toThrow("exclusion: there are no pairs. Pass at least 1.");
});
