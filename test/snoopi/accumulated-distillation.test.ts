import { add, foldIn, full, keyFromSeed, leaves, mapTree, mean, mul, normal, realize, square, type Tensor } from "@snoopi/core";
import { sgd } from "@snoopi/core/optim";
import {
  captureDistillation,
  type Distillation,
  type DistillMethod,
  type DistillStepResult,
  disposeDraws,
  distillMethods,
  distillStep,
  drawStep,
  loraGradients,
  loraText,
  type StepDraws,
  stepKeys,
  studentGradients,
  type Updated,
  update,
} from "@snoopi/snoopi";
import { beforeAll, describe, expect, test } from "vitest";

import { devices } from "../devices.ts";
import { latentShape as shape, tinyDistillation, tinyPrompts } from "./tiny-distillation.ts";

const method: DistillMethod = { ...distillMethods.pgSb, loraSteps: 2, nullText: 0.5 };
// Powers of two: exact in f32, in which a captured step has them.
const rates = { student: 2 ** -4, lora: 2 ** -5 };
const batchKey = (i: number) => foldIn(keyFromSeed(7), i);
const far = (a: readonly number[], b: readonly number[]) => Math.hypot(...a.map((v, i) => v - b[i]));
const numbers = async (tree: unknown) => (await Promise.all(leaves(tree).map((t) => t.data()))).map((v) => [...v]);

/** All numbers of the student, and of the LoRA teacher. */
const numbersOf = async ({ own, adapter }: Pick<ReturnType<typeof plain>, "own" | "adapter">) =>
  (await Promise.all([own, adapter].map(numbers))).map((tensors) => tensors.flat());

/** Moved by gradients as they are: Adam would move by the rate, whatever rounding leaves of a gradient near 0. */
function plain(device: (typeof devices)[number]["device"], gated: boolean) {
  const { distillation, own, adapter } = tinyDistillation(method, { device, gated });
  const { ema: _, ...student } = distillation.student;
  const moved: Distillation = {
    ...distillation,
    student: { ...student, optimizer: sgd(own, { lr: rates.student, gated }) },
    loraTeacher: { parameters: adapter, optimizer: sgd(adapter, { lr: rates.lora, gated }) },
  };
  return { distillation: moved, own, adapter };
}

describe.each(devices)("a step of several batches on $name", ({ device, name }) => {
  const prompts = tinyPrompts(device);
  const others = { ...prompts, text: { tokens: normal([2, 3, 6], { key: 24, device }) } };
  const weights = [1, 3].map((weight) => full([], weight, { device }));
  beforeAll(() => realize(leaves([prompts, others, weights])));
  const batches = [prompts, others].map((prompts, i) => ({ prompts, shape, key: batchKey(i), given: { weight: weights[i] } }));
  const judge = (x0: Tensor, { weight }: Readonly<Record<string, Tensor>>) => mean(square(x0)).mul(weight);

  /** The step by what each batch gives alone, as it was before there could be several: with one, nothing is averaged. */
  async function apart(distillation: Distillation, count: number): Promise<DistillStepResult> {
    const { process, student, loraTeacher } = distillation;
    const own = batches.slice(0, count).map((batch) => {
      const draws: StepDraws = drawStep({ process, method, shape, device }, { keys: stepKeys(batch.key) });
      return { ...batch, draws };
    });
    const average = async (each: readonly { readonly loss: Tensor; readonly gradients: unknown }[]) => {
      // What a batch gives is there before the next is looked at.
      for (const one of each) await realize(leaves(one));
      if (each.length === 1) return each[0];
      const [a, b] = each.map(({ loss, gradients }) => ({ loss, gradients }));
      const all = leaves(b);
      let next = 0;
      const mean = mapTree(a, (t) => mul(add(t, all[next++]), 0.5));
      await realize(leaves(mean));
      for (const t of leaves(each)) t.dispose();
      return mean;
    };
    const pictures: Tensor[] = [];
    const learned = await average(
      own.map(({ prompts, draws, given }) => {
        const { x0, told, ...learned } = studentGradients(distillation, { prompts, draws: draws.student, also: (x0) => judge(x0, given) });
        pictures.push(x0);
        for (const t of Object.values(told)) t.dispose();
        return learned;
      }),
    );
    await realize(pictures);
    const moved = await update(student, { name: "student", ...learned, maxNorm: method.maxNorm });
    const lora: Updated[] = [];
    for (let i = 0; i < method.loraSteps; i++) {
      const learned = await average(
        own.map(({ prompts, draws }, b) =>
          loraGradients(distillation, { x0: pictures[b], text: loraText(prompts, draws.lora[i]), draws: draws.lora[i] }),
        ),
      );
      lora.push(await update(loraTeacher!, { name: "LoRA teacher", ...learned, maxNorm: method.maxNorm }));
    }
    for (const t of pictures) t.dispose();
    for (const { draws } of own) disposeDraws(draws);
    return { student: moved, lora };
  }

  test.each(name === "cpu" ? [1, 2] : [2])("learns from %i what the mean of their gradients, taken apart, teaches", async (count) => {
    const expected = plain(device, false);
    const before = await numbersOf(expected);
    const came = await apart(expected.distillation, count);
    const after = await numbersOf(expected);
    const [first, ...more] = batches.slice(0, count);
    for (const captured of [false, true]) {
      const found = plain(device, captured);
      let result: DistillStepResult;
      if (captured) {
        using program = captureDistillation(found.distillation, { also: judge });
        result = await program.step({ ...first, more });
      } else {
        const judged = batches.slice(0, count).map(({ given, ...batch }) => ({ ...batch, also: (x0: Tensor) => judge(x0, given) }));
        result = await distillStep(found.distillation, { ...judged[0], more: judged.slice(1) });
      }
      const values = await numbersOf(found);
      if (name === "cpu") {
        // The same calls on the same numbers; half a sum is exact.
        expect(values).toEqual(after);
        expect(result).toEqual(came);
        continue;
      }
      const [got, wanted] = [result, came].map(({ student, lora }) => [student, ...lora].flatMap(({ loss, norm }) => [loss, norm]));
      // What kernels are fused differs, and with it the rounding of a hundred calls in a row, of 2⁻²⁴ each.
      for (const [i, value] of got.entries()) expect(Math.abs(value / wanted[i] - 1)).toBeLessThan(1e-4);
      // So is the gradient's, by which a network moves; where it moves to is rounded at each of up to two updates on either side.
      for (const [i, moved] of after.entries()) {
        const rounding = 4 * 2 ** -24 * Math.hypot(...moved);
        expect(far(values[i], moved)).toBeLessThan(1e-4 * far(moved, before[i]) + rounding);
      }
    }
  });

  test("leaves everything as it is when one of them is not finite, says so, and goes on", async () => {
    const tiny = tinyDistillation(method, { device, gated: true });
    const { student, loraTeacher } = tiny.distillation;
    const draws = drawStep({ process: tiny.distillation.process, method, shape, device }, { keys: stepKeys(batchKey(1)) });
    const broken = { ...draws, student: { ...draws.student, latents: [full(shape, Number.NaN, { device })] } };
    await realize(leaves([draws, broken]));
    const options = (draws: StepDraws) => ({ ...batches[0], more: [{ prompts: others, draws }] });
    const state = async () => [
      ...(await numbersOf(tiny)),
      ...(await numbers([student.optimizer.tensors(), student.ema!.tensors(), loraTeacher!.optimizer.tensors()])),
    ];
    const before = await state();
    using captured = captureDistillation(tiny.distillation);
    const came = await captured.report(options(broken));
    expect([came.student, ...came.lora].flatMap(({ loss, norm }) => [loss, norm])).toEqual(new Array(6).fill(Number.NaN));
    expect(await state()).toEqual(before);
    await captured.step(options(draws));
    expect((await numbersOf(tiny)).map((values, i) => far(values, before[i]) > 0)).toEqual([true, true]);
    expect(captured.programs).toBe(1);
    if (name !== "cpu") return;
    const uncaptured = tinyDistillation(method, { device });
    const start = await numbersOf(uncaptured);
    await expect(distillStep(uncaptured.distillation, options(broken))).rejects.toThrow("gradients: 206 are not finite");
    expect(await numbersOf(uncaptured)).toEqual(start);
  });
});
