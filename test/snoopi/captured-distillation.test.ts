import { foldIn, keyFromSeed, leaves, mean, realize, square, tensor } from "@snoopi/core";
import { captureDistillation, type DistillMethod, distillMethods, distillStep } from "@snoopi/snoopi";
import { beforeAll, describe, expect, test } from "vitest";
import { devices } from "../devices.ts";
import { latentShape as shape, tinyDistillation, tinyPrompts } from "./tiny-distillation.ts";

const key = (step: number) => foldIn(keyFromSeed(5), step);
const numbers = async (tree: unknown) => (await Promise.all(leaves(tree).map((t) => t.data()))).map((v) => [...v]);

describe.each(devices)("a captured step of distillation on $name", ({ device }) => {
  const prompts = tinyPrompts(device);
  beforeAll(() => realize(leaves(prompts)));

  test.each([
    { name: "PG-SB", method: distillMethods.pgSb },
    { name: "NASA-T, two updates", method: { ...distillMethods.nasaT, loraSteps: 2, nullText: 0.5 } },
    { name: "DMD2's gradient, two steps", method: { ...distillMethods.dmd2, loraSteps: 1 }, timesteps: [999, 499] },
    { name: "SDS", method: distillMethods.sds },
  ] satisfies { name: string; method: DistillMethod; timesteps?: number[] }[])("is the step: $name", async ({ method, ...more }) => {
    const [plain, other] = [false, true].map((gated) => tinyDistillation(method, { device, gated, ...more }));
    using captured = captureDistillation(other.distillation, { check: "always" });
    for (let i = 0; i < 3; i++) {
      const options = { prompts, shape, key: key(i), lr: { student: 1e-3 / (i + 1), lora: 2e-3 } };
      const expected = await distillStep(plain.distillation, options);
      const found = await captured.step(options);
      expect(found.lora).toHaveLength(method.loraSteps);
      for (const [a, b] of [[found.student, expected.student] as const, ...found.lora.map((a, j) => [a, expected.lora[j]] as const)]) {
        // Three steps of f32; the rules' factors are computed in f64 in one and on the device in the other.
        expect(Math.abs(a.loss / b.loss - 1)).toBeLessThan(1e-4);
        expect(Math.abs(a.norm / b.norm - 1)).toBeLessThan(1e-4);
      }
    }
    expect(captured.programs).toBeLessThanOrEqual(more.timesteps?.length ?? 1);
    expect(captured.dispatches).toBeGreaterThan(0);
    const [a, b] = await Promise.all([other, plain].map(({ own, adapter }) => numbers([own, adapter])));
    // Adam moves by the rate for any gradient, however small: what is lost of one in rounding counts as the rate.
    a.forEach((values, i) => {
      values.forEach((v, j) => {
        expect(Math.abs(v - b[i][j])).toBeLessThan(1e-4);
      });
    });
  });

  test("takes what else judges the picture, and numbers for it that change", async () => {
    const { distillation } = tinyDistillation(distillMethods.sds, { device, gated: true });
    using captured = captureDistillation(distillation, { check: "always", also: (x0, { weight }) => mean(square(x0)).mul(weight) });
    const options = { prompts, shape, key: key(0), lr: { student: 0 } };
    const losses = [];
    for (const weight of [0, 1, 3])
      losses.push((await captured.step({ ...options, given: { weight: tensor(weight, { device }) } })).student.loss);
    expect((losses[2] - losses[0]) / (losses[1] - losses[0])).toBeCloseTo(3, 4);
    expect(captured.programs).toBe(1);
  });

  test("leaves everything as it is when the loss is not finite, says so, and goes on", async () => {
    const { distillation, own, adapter } = tinyDistillation(distillMethods.pgSb, { device, gated: true });
    using captured = captureDistillation(distillation, { also: (x0, { weight }) => mean(square(x0)).mul(weight) });
    const step = (weight: number) => captured.step({ prompts, shape, key: key(1), given: { weight: tensor(weight, { device }) } });
    await step(0);
    const state = () => numbers([own, distillation.student.optimizer.tensors(), distillation.student.ema!.tensors()]);
    const before = await state();
    await expect(step(Number.POSITIVE_INFINITY)).rejects.toThrow(/student: the loss is (Infinity|NaN).*It was not updated/);
    expect(await state()).toEqual(before);
    await step(0);
    expect(await state()).not.toEqual(before);
    expect((await numbers(adapter)).flat().every(Number.isFinite)).toBe(true);
  });

  test("gives back its draws when it cannot begin", () => {
    const { distillation } = tinyDistillation({ ...distillMethods.pgSb, nullText: 1 }, { device, gated: true });
    using captured = captureDistillation(distillation);
    const { nullText } = tinyPrompts(device);
    nullText.tokens.dispose();
    const before = device.memory().tensors;
    expect(() => captured.launch({ prompts: { ...prompts, nullText }, shape, key: key(0) })).toThrow("disposed");
    expect(device.memory().tensors).toBe(before);
  });

  test("gives back what it held when it is disposed of", async () => {
    const { distillation } = tinyDistillation(distillMethods.pgSb, { device, gated: true });
    const held: number[] = [];
    for (let i = 0; i < 3; i++) {
      const captured = captureDistillation(distillation);
      for (let n = 0; n < 2; n++) await captured.step({ prompts, shape, key: key(n) });
      captured[Symbol.dispose]();
      held.push(device.memory().bytes);
    }
    // Garbage of other tests may be collected meanwhile.
    expect(held[2]).toBeLessThanOrEqual(held[1]);
  });
});

test("a captured step refuses an optimiser or an average that JavaScript counts for", async () => {
  const { device } = devices[0];
  const { distillation } = tinyDistillation(distillMethods.sds, { device });
  using captured = captureDistillation(distillation);
  await expect(captured.step({ prompts: tinyPrompts(device), shape, key: key(0) })).rejects.toThrow(
    "Make the optimiser with { gated: true }.",
  );
});
