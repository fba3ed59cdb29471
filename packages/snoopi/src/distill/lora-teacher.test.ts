import { foldIn, keyFromSeed, tensor } from "@snoopi/core";
import { expect, test } from "vitest";
import { loraTeacherLoss, textOrNull } from "./lora-teacher.ts";

test("the LoRA teacher's loss is the mean square error of ε, weighted by α² of each sample", async () => {
  const levels = { alpha: tensor([[[[0.5]]], [[[1]]]]) };
  const loss = loraTeacherLoss(tensor([[[[1, 3]]], [[[0, 2]]]]), tensor([[[[0, 1]]], [[[0, 1]]]]), levels);
  expect(await loss.item()).toBeCloseTo((0.25 * (1 + 4) + 1 * (0 + 1)) / 4, 6);
});

test("the text of a batch is the null text one time in ten", () => {
  const [text, nullText] = [{ tokens: tensor([[[1]]]) }, { tokens: tensor([[[0]]]) }];
  const nulls = (probability?: number) =>
    Array.from({ length: 2000 }, (_, i) =>
      textOrNull({ text, nullText, key: foldIn(keyFromSeed(1), i), ...(probability !== undefined && { probability }) }),
    ).filter((chosen) => chosen === nullText).length;
  // Five standard deviations of 2000 draws: 5·√(2000·0.1·0.9) = 67.
  expect(Math.abs(nulls() - 200)).toBeLessThan(67);
  expect([nulls(0), nulls(1)]).toEqual([0, 2000]);
});
