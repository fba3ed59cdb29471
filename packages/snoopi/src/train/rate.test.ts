import { expect, test } from "vitest";
import { rateAt } from "./rate.ts";

test("one-cycle goes as PyTorch's OneCycleLR", () => {
  // torch.optim.lr_scheduler.OneCycleLR(opt, 2e-3, 20, pct_start=0.2), the rates of steps 0, 1, 3, 4, 11, 19 printed by PyTorch 2.15.
  const rate = { peak: 2e-3, warmup: 0.2, shape: "one-cycle" } as const;
  const expected: Record<number, number> = {
    0: 7.999999999999999e-5,
    1: 0.00056,
    3: 0.002,
    4: 0.001980785357262109,
    11: 0.0010000039999999999,
    19: 8e-9,
  };
  for (const [step, lr] of Object.entries(expected)) expect(rateAt(rate, Number(step), 20)).toBeCloseTo(lr, 12);
});

test("linear rises to its peak and falls to 0, and the lower of the two counts", () => {
  const rate = { peak: 1, warmup: 0.2, shape: "linear" } as const;
  expect([0, 1, 5, 9].map((step) => rateAt(rate, step, 10))).toEqual([0.5, 0.9, 0.5, 0.1]);
});

test("constant stays at its peak once it is there", () => {
  const rate = { peak: 3, warmup: 0, shape: "constant" } as const;
  expect([0, 4, 9].map((step) => rateAt(rate, step, 10))).toEqual([3, 3, 3]);
});
