import { cpu, foldIn, keyFromSeed, leaves } from "@snoopi/core";
import { expect, test } from "vitest";
import { checkDraws, disposeDraws, drawStep } from "./draws.ts";
import { type DistillMethod, distillMethods } from "./method.ts";
import { flowProcess } from "./process.ts";
import { stepKeys } from "./step-keys.ts";

const process = flowProcess();
const shape = [3, 4, 2, 2];
const draw = (method: DistillMethod, seed: number, steps = 1) =>
  drawStep({ process, method, shape, device: cpu }, { keys: stepKeys(foldIn(keyFromSeed(1), seed)), steps });
const numbers = async (tree: unknown) => (await Promise.all(leaves(tree).map((t) => t.data()))).map((v) => [...v]);

test("a step is drawn alike from like keys, and every kind of draw from its own", async () => {
  const [a, again] = await Promise.all([1, 1].map((seed) => numbers(draw(distillMethods.nasaT, seed))));
  expect(again).toEqual(a);
  expect(new Set(a.map((v) => v.join())).size).toBe(a.length - 1); // Both teachers share κ.
});

test("there is no κ where guidance is off, and one draw for each update of the LoRA teacher", () => {
  const { student, lora } = draw(distillMethods.dmd2, 1);
  expect([student.kappa.teacher?.shape, student.kappa.lora]).toEqual([[3, 1, 1, 1], undefined]);
  expect(lora).toHaveLength(10);
  expect(student.nasaScale).toBeUndefined();
  expect(() => checkDraws({ student, lora }, distillMethods.pgSb)).toThrow(
    "there are draws for 10 updates of the LoRA teacher and the method",
  );
});

test("α of NASA lies in its interval, one for the batch", async () => {
  for (let seed = 0; seed < 20; seed++) {
    const [a, b, c] = await draw(distillMethods.nasaT, seed).student.nasaScale!.data();
    expect([b, c]).toEqual([a, a]);
    expect(a >= 0 && a < 1).toBe(true);
  }
});

test("each step of a student of several learns as often as another, and its noises differ", async () => {
  const counts = [0, 0, 0, 0];
  for (let seed = 0; seed < 400; seed++) {
    const draws = draw(distillMethods.sds, seed, 4);
    counts[draws.student.latents.length - 1]++;
    if (seed < 8) expect(new Set((await numbers(draws.student.latents)).map((v) => v.join())).size).toBe(draws.student.latents.length);
    disposeDraws(draws);
  }
  // Five standard deviations of 400 draws with probability 1/4: 5·√(400·3/16) = 43.
  for (const count of counts) expect(Math.abs(count - 100)).toBeLessThan(43);
});

test("the null text comes one time in ten", () => {
  let nulls = 0;
  for (let seed = 0; seed < 1000; seed++) {
    const draws = draw(distillMethods.swiftBrush, seed);
    nulls += Number(draws.lora[0].nullText);
    disposeDraws(draws);
  }
  // Five standard deviations of 1000 draws: 5·√(1000·0.09) = 47.
  expect(Math.abs(nulls - 100)).toBeLessThan(47);
});
