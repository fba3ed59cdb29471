import { grad, type Tensor, tensor } from "@snoopi/core";
import { expect, test } from "vitest";
import { clampedClipLoss, decayingWeight } from "./clip-loss.ts";

const text = tensor([[3, 0]]);

test("the clamped CLIP loss is what is missing to the margin, whatever the lengths", async () => {
  // Cosines 0.6 and 0: 0.7 − 0.6 and 0.7.
  const images = tensor([
    [6, 8],
    [0, 0.1],
  ]);
  expect(await clampedClipLoss(images, text, { margin: 0.7 }).item()).toBeCloseTo((0.1 + 0.7) / 2, 6);
});

test("the clamped CLIP loss moves a picture below the margin only, and towards its text", async () => {
  const slope = async (x: number[]) => [...(await grad((i: Tensor) => clampedClipLoss(i, text))(tensor([x])).data())];
  expect(await slope([1, 1])).toEqual([0, 0]);
  expect((await slope([0.1, 1]))[0]).toBeLessThan(0);
  expect((await slope([0, 0])).every(Number.isFinite)).toBe(true);
});

test("the weight of the CLIP loss falls from 0.1 to 0", () => {
  const at = (shape: "linear" | "cosine" | "none") => [0, 50, 100, 200].map((n) => decayingWeight(n, { steps: 101, shape }));
  expect(at("linear")).toEqual([0.1, 0.05, 0, 0]);
  at("cosine").forEach((v, i) => {
    expect(v).toBeCloseTo([0.1, 0.05, 0, 0][i], 12);
  });
  expect(at("none")).toEqual([0.1, 0.1, 0.1, 0.1]);
  expect(() => decayingWeight(0, { steps: 0 })).toThrow("decay: there are 0 steps.");
});
