import { tensor } from "@snoopi/core";
import { expect, test } from "vitest";
import { loraTeacherLoss } from "./lora-teacher.ts";

test("the LoRA teacher's loss is the mean square error of ε, weighted by α² of each sample", async () => {
  const levels = { alpha: tensor([[[[0.5]]], [[[1]]]]) };
  const loss = loraTeacherLoss(tensor([[[[1, 3]]], [[[0, 2]]]]), tensor([[[[0, 1]]], [[[0, 1]]]]), levels);
  expect(await loss.item()).toBeCloseTo((0.25 * (1 + 4) + 1 * (0 + 1)) / 4, 6);
});
