import { keyFromSeed, normal, realize, type Tensor } from "@snoopi/core";
import { expect, test } from "vitest";
import { devices } from "../../../../../test/devices.ts";
import { tinyDistillation } from "../../../../../test/snoopi/tiny-distillation.ts";
import { distillMethods } from "../../distill/method.ts";
import { distillSchema } from "../distill-config.ts";
import { normals, stepKey } from "../examples.ts";
import { readConfig } from "../schema.ts";
import type { Batch, Numbers, Stage } from "../stage.ts";
import { stepperOf } from "../stepper.ts";
import type { Assembled } from "./assemble.ts";
import { type PromptBank, rowsOf } from "./prompt-bank.ts";
import { type Pairs, regressionStage } from "./regression.ts";

const { regression } = readConfig(distillSchema, { regression: { steps: 3, batch: 2, accumulate: 2, ema: 0, rate: { peak: 1e-3 } } });
const key = keyFromSeed(5);
const numbers = (purpose: number) => normals([6, 4, 4, 4], stepKey(key, purpose, 0));
const pairs: Pairs = { noise: numbers(1), x0: numbers(2), said: Int32Array.of(0, 1, 2, 2, 1, 0) };

function stageOf(texts: Tensor, batch: number) {
  const { device } = texts;
  const { distillation, own } = tinyDistillation(distillMethods.pgSb, { device });
  const bank = {
    inputs: (chosen) => ({ shape: [chosen.length], data: chosen }),
    context: (chosen) => ({ tokens: rowsOf(texts, chosen) }),
  } satisfies Partial<PromptBank> as unknown as PromptBank;
  const assembled = { distillation, student: { parameters: Object.fromEntries(own) } } as unknown as Assembled;
  return regressionStage({ name: "pairs", device, assembled, bank, pairs, batch, delta: regression.delta, key });
}

/** The batches of two steps end to end. */
const joined = (a: Batch, b: Batch): Batch =>
  Object.fromEntries(
    Object.entries(a).map(([name, { shape, data }]): [string, Numbers] => {
      const both = data instanceof Int32Array ? new Int32Array(2 * data.length) : new Float32Array(2 * data.length);
      both.set(data);
      both.set(b[name].data, data.length);
      return [name, { shape: [2 * shape[0], ...shape.slice(1)], data: both }];
    }),
  );

async function learned(stage: Stage, settings: Parameters<typeof stepperOf>[1]) {
  using stepper = stepperOf(stage, settings);
  const reports = [];
  for (let step = 0; step < regression.steps; step++) reports.push(await stepper.step(step, { next: step + 1 < regression.steps }));
  for (const t of Object.values(stage.parameters)) t.dispose();
  return reports;
}

test.each(devices)("regression.accumulate batches of pairs teach what one as large would, on $name", async ({ device }) => {
  const texts = normal([3, 3, 6], { key: 21, device });
  await realize([texts]);
  const [two, four] = [stageOf(texts, 2), stageOf(texts, 4)];
  const large = { ...four, batch: (step: number) => joined(two.batch(2 * step), two.batch(2 * step + 1)) };
  const [one, first, several] = [
    await learned(large, { ...regression, accumulate: 1 }),
    await learned(stageOf(texts, 2), { ...regression, accumulate: 1 }),
    await learned(two, regression),
  ];
  for (const [step, wanted] of one.entries()) {
    // The rounding of a hundred calls in a row, of 2⁻²⁴ each: the sums of a batch are parted otherwise.
    for (const name of ["loss", "norm"]) expect(Math.abs(several[step][name] / wanted[name] - 1)).toBeLessThan(1e-4);
    expect(Math.abs(first[step].loss / wanted.loss - 1)).toBeGreaterThan(1e-3);
  }
});
