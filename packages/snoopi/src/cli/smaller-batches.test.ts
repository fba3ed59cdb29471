import { expect, test } from "vitest";
import type { StepCost } from "../train/student/dry.ts";
import { smallerBatches } from "./smaller-batches.ts";

const gib = 2 ** 30;
/** 10 GiB, of which the gradients that are averaged are 2, and 1 for each picture. */
const costOf = (batch: number) =>
  ({
    deviceBytes: (10 + batch) * gib,
    parts: [
      ["student", 5 * gib],
      ["student: gradients", 1.5 * gib],
      ["LoRA teacher: gradients", 0.5 * gib],
    ],
  }) as unknown as StepCost;
const into = (budget: number) => ({ costOf, fits: (cost: StepCost) => cost.deviceBytes <= budget * gib });

test("the largest batch that fits is named, and the largest of which several make as many pictures an update", () => {
  expect(smallerBatches({ batch: 64, accumulate: 1 }, into(29))).toEqual([
    "a batch of 19 would fit, --set batch=19",
    "as many pictures an update, 16 at a time: --set batch=16 --set accumulate=4, about 28.0 GiB",
  ]);
});

test("gradients of batches before take room that a batch alone does not", () => {
  expect(smallerBatches({ batch: 64, accumulate: 1 }, into(27))[1]).toContain("--set batch=8 --set accumulate=8, about 20.0 GiB");
  expect(smallerBatches({ batch: 64, accumulate: 2 }, into(27))[1]).toContain("--set batch=16 --set accumulate=8, about 26.0 GiB");
  expect(smallerBatches({ batch: 64, accumulate: 1 }, into(12))).toEqual(["a batch of 2 would fit, --set batch=2"]);
});

test("keys have the name of what they are of", () => {
  expect(smallerBatches({ batch: 64, accumulate: 1 }, { ...into(29), under: "regression." })).toEqual([
    "a batch of 19 would fit, --set regression.batch=19",
    "as many pictures an update, 16 at a time: --set regression.batch=16 --set regression.accumulate=4, about 28.0 GiB",
  ]);
});

test("where nothing fits it says so", () => {
  expect(smallerBatches({ batch: 64, accumulate: 1 }, into(10))).toEqual(["not even a batch of 1 would fit"]);
});
