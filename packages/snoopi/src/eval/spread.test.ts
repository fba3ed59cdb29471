import { expect, test } from "vitest";
import { normalisedEntropy } from "./entropy.ts";
import { showSpread, spreadOf } from "./spread.ts";

test("several seeds show a spread and one shows none", () => {
  expect(showSpread(spreadOf([1, 2, 3]))).toBe("2.00 ± 1.00");
  expect(showSpread(spreadOf([5, 5]), { digits: 1 })).toBe("5.0 ± 0.0");
  expect(showSpread(spreadOf([5]))).toBe("5.00");
  expect(spreadOf([5])).toEqual({ count: 1, mean: 5 });
});

test("no values and values that are not finite are refused in one line", () => {
  expect(() => spreadOf([])).toThrow("spread: there are no values. Pass one for each seed.");
  expect(() => spreadOf([1, Number.NaN])).toThrow("spread: value 1 of 2 is NaN. Run that seed again, or leave it out.");
});

test("the normalised entropy is 1 of a flat histogram and 0 of a single value", () => {
  expect(normalisedEntropy([4, 4, 4])).toBe(1);
  expect(normalisedEntropy([0, 9, 0])).toBe(0);
});

test("histograms without bins, samples or sense are refused in one line", () => {
  expect(() => normalisedEntropy([3])).toThrow("entropy: 1 bins have none. Pass a count for every value, at least 2.");
  expect(() => normalisedEntropy([0, 0])).toThrow("entropy: all bins are empty. Count at least 1 sample.");
  expect(() => normalisedEntropy([1, -1])).toThrow("entropy: bin 1 holds -1. It has to be 0 or more.");
});
