import { readFileSync } from "node:fs";
import { join } from "node:path";
import { concat, createDryDevice, data, empty, realize, type Tensor, tensor } from "@snoopi/core";
import { accumulator, ema, emaDecay, lrAt, type Schedule } from "@snoopi/core/optim";
import { describe, expect, test } from "vitest";

// Numbers of diffusers, see golden/README.md.
const golden = JSON.parse(readFileSync(join(import.meta.dirname, "golden/training-steps.json"), "utf8"));
const values = async (t: Tensor) => Array.from(await data(t));

describe("schedules", () => {
  const rates = (schedule: Schedule) => Array.from({ length: 14 }, (_, step) => lrAt(schedule, step));
  test.each(["cosine", "linear"] as const)("%s after a warmup is that of diffusers", (type) => {
    // Until the end, where diffusers' cosine turns up again.
    const own = rates({ type: "warmup", steps: 3, before: { type, lr: 0.5, steps: 8 } }).slice(0, 12);
    own.forEach((rate, i) => {
      expect(rate, `step ${i}`).toBeCloseTo(golden.rates[type][i], 14);
    });
  });

  test("are constant, end where they are told, and fall in steps", () => {
    expect(rates({ type: "constant", lr: 3 })).toEqual(new Array(14).fill(3));
    expect(rates({ type: "linear", lr: 1, end: 0.5, steps: 2 }).slice(0, 4)).toEqual([1, 0.75, 0.5, 0.5]);
    expect(rates({ type: "cosine", lr: 1, end: 0.5, steps: 2 }).slice(0, 4)).toEqual([1, 0.75, 0.5, 0.5]);
    expect(rates({ type: "steps", lr: 1, at: [2, 3], factor: 0.5 }).slice(0, 5)).toEqual([1, 1, 0.5, 0.25, 0.25]);
  });

  test("that are none are refused", () => {
    expect(() => lrAt({ type: "constant", lr: 1 }, -1)).toThrow("schedule: step is -1. Give a finite number, 0 or more.");
    expect(() => lrAt({ type: "linear", lr: 1, steps: 0 }, 1)).toThrow("schedule: it has 0 steps. Give a whole number above 0.");
    expect(() => lrAt({ type: "cosin" } as unknown as Schedule, 1)).toThrow('schedule: the type is "cosin". Use constant, linear,');
  });
});

describe("moving averages", () => {
  test.each([
    ["rational", { decay: 0.5, minDecay: 0.2 }],
    ["power", { decay: 0.9, ramp: { invGamma: 2, power: 0.75 } }],
    ["after", { decay: 0.999, after: 3 }],
  ] as const)("decay as diffusers' do (%s)", (name, options) => {
    golden.decays[name].forEach((decay: number, i: number) => {
      expect(emaDecay(i + 1, options), `update ${i + 1}`).toBeCloseTo(decay, 14);
    });
  });

  test("follow their parameters, in f32 where those are f16", async () => {
    const p = [tensor([1], { dtype: "f16" })];
    using average = ema(p, { decay: 0.75, ramp: "none" });
    p[0].assign(tensor([2], { dtype: "f16" }));
    average.update();
    average.update();
    expect([average.tensors()[0].dtype, await values(average.tensors()[0]), average.updates]).toEqual(["f32", [1.4375], 2]);
  });

  test("stand in for the parameters for a while", async () => {
    const p = [tensor([1])];
    using average = ema(p);
    p[0].assign(tensor([5]));
    {
      using _ = average.swap();
      expect(await values(p[0])).toEqual([1]);
    }
    expect(await values(p[0])).toEqual([5]);
    average.copyInto();
    expect(await values(p[0])).toEqual([1]);
  });

  test("with decays that make no sense are refused", () => {
    expect(() => ema([tensor([1])], { decay: 2 })).toThrow("ema: decay is 2 and minDecay 0. Give 0 ≤ minDecay ≤ decay ≤ 1.");
  });
});

describe("gradient accumulation", () => {
  test("gives the mean of the batches, and begins anew", async () => {
    using sums = accumulator<{ a: Tensor; b: Tensor }>();
    const of = (v: number) => ({ a: tensor([v, 1]), b: tensor([2 * v], { dtype: "f16" }) });
    for (let round = 0; round < 2; round++) {
      for (const v of [1, 2, 6]) sums.add(of(v));
      expect(sums.count).toBe(3);
      const { a, b } = sums.take();
      expect([await values(a), await values(b), b.dtype]).toEqual([[3, 1], [6], "f32"]);
    }
    expect(() => sums.take()).toThrow("accumulator: no gradients were added.");
    sums.add(of(1));
    expect(() => sums.add({ a: tensor([1]), b: tensor([1]) })).toThrow('accumulator: the gradient of "a" is f32 [1]');
  });

  test("recorded for several batches holds the gradients of one at a time", async () => {
    const device = createDryDevice();
    const size = 1000;
    const batches = Array.from({ length: 6 }, () => empty([1, size], { device }));
    await realize(batches);
    using sums = accumulator<Tensor[]>();
    for (const x of batches) {
      using gradient = concat([x, x]);
      sums.add([gradient]);
    }
    const [mean] = sums.take();
    const before = device.memory().bytes;
    await realize([mean]);
    // The sum and what is added to it, of 2 · size numbers each; a mean of all at once would hold six of them and itself.
    expect(device.memory().peakBytes - before).toBe(2 * 2 * size * 4);
    mean.dispose();
  });
});
