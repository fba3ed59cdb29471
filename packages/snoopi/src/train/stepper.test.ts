import { keep, matmul, mean, mul, square, sub, sum, tensor } from "@snoopi/core";
import { expect, test } from "vitest";
import { devices } from "../../../../test/devices.ts";
import type { Batch, Stage } from "./stage.ts";
import { stepperOf } from "./stepper.ts";

const [steps, peak] = [3, 2 ** -3];
const settings = { steps, rate: { peak, warmup: 0, shape: "constant" }, betas: [0.9, 0.999], weightDecay: 0, maxNorm: 1, ema: 0 } as const;

/** Rows of batch `i`: inputs `[2, 3]` and what is wanted of them `[2, 1]`. */
const rowsOf = (i: number) => ({
  x: Array.from({ length: 6 }, (_, j) => 1 + Math.sin(6 * i + j) / 2),
  y: Array.from({ length: 2 }, (_, j) => 9 + Math.cos(2 * i + j)),
});

function stageOf(device: (typeof devices)[number]["device"], joined: boolean, spoilt?: number): Stage & Disposable {
  const w = keep(tensor([0.5, -0.25, 0.125], { shape: [3, 1], device }));
  const batch = (i: number): Batch => {
    const rows = joined ? [rowsOf(2 * i), rowsOf(2 * i + 1)] : [rowsOf(i)];
    const of = (name: "x" | "y", width: number) => ({
      shape: [2 * rows.length, width],
      data: Float32Array.from(rows.flatMap((row) => row[name])),
    });
    const [x, y] = [of("x", 3), of("y", 1)];
    if (i === spoilt) x.data[4] = Number.NaN;
    return { x, y };
  };
  return {
    name: "line",
    device,
    parameters: { w },
    batch,
    loss: ({ x, y }) => {
      const away = sub(matmul(x, w), y);
      return { loss: mean(square(away)), bias: mul(sum(away), 1 / away.shape[0]) };
    },
    [Symbol.dispose]: () => w.dispose(),
  };
}

test.each(devices)("two batches an update teach what both in one would, on $name", async ({ device }) => {
  const found = [];
  for (const joined of [true, false]) {
    using stage = stageOf(device, joined);
    using stepper = stepperOf(stage, { ...settings, accumulate: joined ? 1 : 2 });
    const reports = [];
    for (let step = 0; step < steps; step++) reports.push(await stepper.step(step, { next: step + 1 < steps }));
    found.push({ reports, w: [...(await stepper.weights()).get("w")!.data] });
  }
  const [one, two] = found;
  for (const [step, wanted] of one.reports.entries()) {
    const report = two.reports[step];
    expect(Object.keys(report)).toEqual(["loss", "norm", "bias", "rate"]);
    // Sums of at most 12 products of one sign, each rounded on the way, and weights that differ as below.
    for (const name of ["loss", "norm", "bias"]) expect(Math.abs(report[name] / wanted[name] - 1)).toBeLessThan(64 * 2 ** -24);
  }
  // An update is the rate times a ratio of averages of gradients, and those are the same to a few roundings.
  for (const [i, w] of one.w.entries()) expect(Math.abs(two.w[i] - w)).toBeLessThan(steps * peak * 64 * 2 ** -24);
});

test.each(devices)("of two batches the one that is not finite is named, and nothing moves, on $name", async ({ device }) => {
  using stage = stageOf(device, false, 1);
  using stepper = stepperOf(stage, { ...settings, accumulate: 2 });
  const report = await stepper.step(0, { next: false });
  expect([report.loss, stepper.unmoved(report)]).toEqual([Number.NaN, true]);
  expect(await stepper.firstNotFinite(0)).toBe("in batch 2 of 2, the input x");
  expect([...(await stepper.weights()).get("w")!.data]).toEqual([0.5, -0.25, 0.125]);
});
