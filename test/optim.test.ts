import { readFileSync } from "node:fs";
import { join } from "node:path";
import {
  createCpu,
  data,
  fromData,
  mean,
  mul,
  realize,
  type Shape,
  scope,
  square,
  sub,
  type Tensor,
  tensor,
  valueAndGradients,
} from "@snoopi/core";
import {
  type AdamOptions,
  adam,
  adamw,
  allFinite,
  clipGradNorm,
  ema,
  globalNorm,
  lossScaler,
  type Optimizer,
  requireFinite,
  sgd,
} from "@snoopi/core/optim";
import { webgpu } from "@snoopi/kernels/node";
import fc from "fast-check";
import { describe, expect, test } from "vitest";
import { devices } from "./devices.ts";
import { safetensors } from "./oracles/safetensors.ts";

const folder = join(import.meta.dirname, "golden");
const golden = JSON.parse(readFileSync(join(folder, "training-steps.json"), "utf8"));
const stored = safetensors(readFileSync(join(folder, "training-steps.safetensors")));
const make: Record<string, (params: unknown, options: any) => Optimizer> = { sgd, adam, adamw };

const values = async (t: Tensor) => Array.from(await data(t));
const f64 = (name: string) => fromData(stored[name].data, stored[name]);
const pair = (part: string) => ({ first: f64(`${part}.first`), second: f64(`${part}.second`) });

describe.each(golden.cases as { optimizer: string; options: AdamOptions }[])("$optimizer with $options", ({ optimizer, options }) => {
  const index = golden.cases.findIndex((c: any) => c.optimizer === optimizer && c.options === options);

  test.each([
    // The order of operations is PyTorch's up to a few: 2⁻⁵³ a step, on numbers of size one.
    { packed: false, gated: false, digits: 13 },
    { packed: true, gated: false, digits: 13 },
    // Factors are f32 scalars.
    { packed: false, gated: true, digits: 6 },
  ])("moves as PyTorch's does, step by step (packed: $packed, gated: $gated)", async ({ packed, gated, digits }) => {
    const params = pair("start");
    using moving = make[optimizer](params, { ...options, packed, gated });
    for (let step = 0; step < 6; step++) {
      moving.step(pair(`gradient.${step}`));
      for (const [name, p] of Object.entries(params)) {
        const wanted = await values(f64(`after.${index}.${step}.${name}`));
        (await values(p)).forEach((v, i) => {
          expect(v, `step ${step}, ${name} ${i}`).toBeCloseTo(wanted[i], digits);
        });
      }
    }
    expect(moving.steps).toBe(6);
  });
});

describe("an optimiser", () => {
  const params = () => ({ w: tensor([[1, 2]]), b: tensor([3]) });

  test.each([
    ["another number of gradients", [tensor([1])], "sgd: 1 gradients for 2 parameters. Pass one for each, in their order."],
    [
      "a gradient of another shape",
      { w: tensor([1, 2]), b: tensor([3]) },
      'sgd: the gradient of "w" is f32 [2] on cpu and the parameter f32 [1, 2] on cpu. Pass its own gradient.',
    ],
    [
      "a gradient that is no float",
      { w: tensor([[1, 2]], { dtype: "i32" }), b: tensor([3]) },
      'sgd: the gradient of "w" is i32 [1, 2] on cpu',
    ],
    ["a gradient of another device", { w: tensor([[1, 2]], { device: createCpu() }), b: tensor([3]) }, 'sgd: the gradient of "w" is'],
  ])("refuses %s and changes nothing", async (_, gradients, message) => {
    const own = params();
    using moving = sgd(own, { lr: 1 });
    expect(() => moving.step(gradients)).toThrow(message);
    expect([await values(own.w), moving.steps]).toEqual([[1, 2], 0]);
  });

  test("refuses what cannot be trained", () => {
    const p = tensor([1]);
    expect(() => sgd({ ids: tensor([1], { dtype: "i32" }) }, { lr: 1 })).toThrow(
      'sgd: parameter "ids" is i32 [1]. Only floats can be trained.',
    );
    expect(() => sgd([], { lr: 1 })).toThrow("sgd: there are no parameters.");
    expect(() => sgd([p, p], { lr: 1 })).toThrow("sgd: one of the 2 parameters is there twice. Pass each once.");
    expect(() => sgd([p, tensor([1], { device: createCpu() })], { lr: 1 })).toThrow(
      'sgd: parameter "1" is on cpu and the first on cpu. Use one device.',
    );
  });

  test("refuses settings that make no sense", () => {
    const p = [tensor([1])];
    expect(() => sgd(p, { lr: -1 })).toThrow("sgd: lr is -1. Give a finite number, 0 or more.");
    expect(() => sgd(p, { lr: 1, nesterov: true })).toThrow(
      "sgd: nesterov with momentum 0 and dampening 0. It needs a momentum and no dampening.",
    );
    expect(() => adamw(p, { lr: 1, betas: [0.9, 1] })).toThrow("adamw: betas are [0.9,1]. Both must be at least 0 and less than 1.");
    expect(() => sgd(p, { lr: 1 }).step(p, { lr: Number.NaN })).toThrow("sgd: lr is NaN.");
    expect(() => sgd(p, { lr: 1 }).step(p, { lr: tensor([1]) })).toThrow("sgd: lr is [1], not a scalar. Give one number.");
    expect(() => sgd(p, { lr: 1 }).step(p, { finite: allFinite(p) })).toThrow("Make the optimiser with { gated: true }.");
  });

  test("moves f16 parameters by an f32 copy, so that small steps add up", async () => {
    // One step of 2⁻¹³ is less than half of what separates f16 numbers above 1.
    const [half, single] = [tensor([1], { dtype: "f16" }), tensor([1])];
    using a = sgd([half], { lr: 2 ** -13 });
    using b = sgd([single], { lr: 2 ** -13 });
    for (let i = 0; i < 16; i++) {
      a.step([tensor([-1], { dtype: "f16" })]);
      b.step([tensor([-1])]);
    }
    expect(half.dtype).toBe("f16");
    expect(await values(half)).toEqual(await values(single));
    expect(await values(half)).toEqual([1 + 2 ** -9]);
  });

  test("takes a learning rate and a scale as scalars of the device", async () => {
    const [a, b] = [[tensor([1, 2])], [tensor([1, 2])]];
    using plain = adamw(a, { lr: 0.25 });
    using told = adamw(b, { lr: 99 });
    plain.step([tensor([0.5, -1])]);
    told.step([tensor([1, -2])], { lr: tensor(0.25), scale: tensor(0.5) });
    const wanted = await values(a[0]);
    for (const [i, v] of (await values(b[0])).entries()) expect(v).toBeCloseTo(wanted[i], 6);
  });

  test.each([false, true])("clips as clipGradNorm does, with a scale as well (packed: %s)", async (packed) => {
    const [a, b] = [
      [tensor([1, 2]), tensor([3])],
      [tensor([1, 2]), tensor([3])],
    ];
    const g = [tensor([3, 0]), tensor([4])];
    using apart = sgd(a, { lr: 1 });
    using together = sgd(b, { lr: 1, packed });
    const { gradients, norm } = clipGradNorm(
      g.map((t) => mul(t, 0.5)),
      1,
    );
    apart.step(gradients);
    const found = together.clippedStep(g, { maxNorm: 1, scale: 0.5 });
    expect([await norm.item(), await found.item()]).toEqual([2.5, 2.5]);
    for (const [i, p] of a.entries()) {
      for (const [k, v] of (await values(p)).entries()) expect((await values(b[i]))[k]).toBeCloseTo(v, 6);
    }
  });

  test("packed moves every parameter to the same bits as apart", () =>
    fc.assert(
      fc.asyncProperty(
        fc.array(fc.array(fc.integer({ min: 1, max: 4 }), { maxLength: 3 }), { minLength: 1, maxLength: 4 }),
        fc.array(fc.float({ min: -4, max: 4, noNaN: true }), { minLength: 8, maxLength: 8 }),
        fc.constantFrom("sgd", "adam", "adamw"),
        async (shapes: Shape[], numbers, name) => {
          const filled = (shape: Shape, at: number) => {
            const size = shape.reduce((n, d) => n * d, 1);
            return fromData(
              Float32Array.from({ length: size }, (_, i) => numbers[(i + at) % 8]),
              { shape, dtype: "f32" },
            );
          };
          const [a, b] = [shapes.map((s) => filled(s, 0)), shapes.map((s) => filled(s, 0))];
          using apart = make[name](a, { lr: 0.1, weightDecay: 0.1 });
          using together = make[name](b, { lr: 0.1, weightDecay: 0.1, packed: true });
          for (let step = 1; step < 4; step++) {
            const g = shapes.map((s, i) => filled(s, step + i));
            apart.step(g);
            together.step(g);
          }
          for (const [i, p] of a.entries()) expect(await values(b[i])).toEqual(await values(p));
        },
      ),
      { numRuns: 50 },
    ));

  test("packed takes parameters as they are after they were assigned", async () => {
    const p = [tensor([1, 2]), tensor([3])];
    using moving = sgd(p, { lr: 1, packed: true });
    p[0].assign(tensor([10, 20]));
    moving.adopt();
    moving.step([tensor([1, 1]), tensor([1])]);
    expect([await values(p[0]), await values(p[1])]).toEqual([[9, 19], [2]]);
  });
});

describe.each(devices)("on $name", ({ device }) => {
  const on = (numbers: number[], dtype: "f32" | "f16" = "f32") => tensor(numbers, { dtype, device });

  test("gradients are scaled down together to the wanted norm, and smaller ones stay", async () => {
    const long = clipGradNorm({ a: on([3, 0]), b: on([4]) }, 1);
    expect(await long.norm.item()).toBeCloseTo(5, 6);
    // PyTorch divides by norm + 1e-6.
    expect((await values(long.gradients.a))[0]).toBeCloseTo(3 / 5.000001, 6);
    const short = clipGradNorm({ a: on([0.3, 0], "f16"), b: on([0.4]) }, 1);
    expect(short.gradients.a.dtype).toBe("f16");
    expect(await values(short.gradients.b)).toEqual([Math.fround(0.4)]);
  });

  test("a norm with NaN is NaN and so are the gradients; with infinity they are zero, and NaN where it was", async () => {
    const nan = clipGradNorm([on([Number.NaN, 1]), on([2])], 1);
    expect([await nan.norm.item(), await values(nan.gradients[1])]).toEqual([Number.NaN, [Number.NaN]]);
    const infinite = clipGradNorm([on([Number.POSITIVE_INFINITY, 1]), on([2])], 1);
    expect([await infinite.norm.item(), await values(infinite.gradients[1])]).toEqual([Number.POSITIVE_INFINITY, [0]]);
  });

  test.each([Number.NaN, Number.POSITIVE_INFINITY, Number.NEGATIVE_INFINITY])("one %s among the gradients is found", async (bad) => {
    for (const dtype of ["f32", "f16"] as const) {
      expect(await values(allFinite([on([1, 2, 3]), on([0, bad], dtype)]))).toEqual([0]);
      expect(await values(allFinite([on([1, 2, 3]), on([0, 65504], dtype)]))).toEqual([1]);
    }
    await expect(requireFinite({ a: on([1]), b: { c: on([bad, 2]) } })).rejects.toThrow("gradients: 1 are not finite: b.c. Lower the");
    await requireFinite([on([3.4e38])]);
  });

  test.each(["sgd", "adamw"])("a step of %s that overflows changes nothing and does not count", async (name) => {
    const finiteOnly = [on([1, 2])];
    const withBad = [on([1, 2])];
    const settings = name === "sgd" ? { lr: 0.1, momentum: 0.9, dampening: 0.5 } : { lr: 0.1 };
    using a = make[name](finiteOnly, { ...settings, gated: true });
    using b = make[name](withBad, { ...settings, gated: true });
    const gradients = [
      [Number.NaN, 1],
      [1, -2],
      [3, Number.POSITIVE_INFINITY],
      [0.5, 0.25],
      [1, 1],
    ];
    for (const numbers of gradients) {
      const g = [on(numbers)];
      if (numbers.every(Number.isFinite)) a.step(g);
      const before = await Promise.all(b.tensors().map(values));
      b.step(g, { finite: allFinite(g) });
      const after = await Promise.all(b.tensors().map(values));
      if (!numbers.every(Number.isFinite)) expect(after).toEqual(before);
    }
    for (const [i, t] of a.tensors().entries()) expect(await values(b.tensors()[i])).toEqual(await values(t));
  });

  test("a loss scaler halves its factor at an overflow and doubles it after good steps, without a word to JavaScript", async () => {
    using scaler = lossScaler({ scale: 1024, interval: 3, device });
    const seen: number[] = [];
    for (const bad of [false, true, false, false, false, false, true]) {
      const { gradients, finite } = scaler.unscale([mul(scaler.scale(on([0.25])), on([bad ? Number.POSITIVE_INFINITY : 1]))]);
      if (!bad) expect(await values(gradients[0])).toEqual([0.25]);
      scaler.update(finite);
      seen.push((await values(scaler.tensors()[0]))[0]);
    }
    expect(seen).toEqual([1024, 512, 512, 512, 1024, 1024, 512]);
  });

  test("a factor never grows beyond what f32 holds", async () => {
    using scaler = lossScaler({ scale: 2 ** 127, interval: 1, device });
    scaler.update(allFinite([on([1])]));
    expect(await values(scaler.tensors()[0])).toEqual([2 ** 127]);
  });

  test("training in f16 with a scaler learns what f16 gradients alone would lose", async () => {
    const x = on([2 ** -12, 2 ** -12], "f16");
    const learn = async (scaled: boolean) => {
      const p = [on([1, 1], "f16")];
      using moving = sgd(p, { lr: 2 ** 22, gated: true });
      using scaler = lossScaler({ scale: scaled ? 2 ** 12 : 1, device });
      const [, raw] = valueAndGradients(p, () => scaler.scale(mul(mean(mul(mul(p[0], x), 2 ** -13)), 1)));
      const { gradients, finite } = scaler.unscale(raw);
      moving.step(gradients, { finite });
      return values(p[0]);
    };
    // The gradient is 2⁻²⁶, below the smallest f16, 2⁻²⁴.
    expect(await learn(false)).toEqual([1, 1]);
    expect(await learn(true)).toEqual([1 - 2 ** -4, 1 - 2 ** -4]);
  });

  test.each([{ packed: false }, { packed: true }])(
    "a hundred steps end at the bytes of the tenth, and nothing is left (packed: $packed)",
    async ({ packed }) => {
      // A device of its own: on the shared one the garbage of other tests goes whenever it does.
      const adapter = device.name === "cpu" ? undefined : await webgpu();
      const own = adapter ?? createCpu();
      await scope(async (s) => {
        const params = s.run(() => ({
          w: tensor(
            [
              [1, 2],
              [3, 4],
            ],
            { device: own },
          ),
          h: tensor([1, 2], { dtype: "f16", device: own }),
        }));
        const x = s.run(() => tensor([[0.5, -1]], { device: own }));
        using moving = s.run(() => adamw(params, { lr: 0.01, packed, gated: true }));
        using average = s.run(() => ema(params));
        using scaler = s.run(() => lossScaler({ device: own }));
        const bytes: number[] = [];
        for (let step = 0; step < 100; step++) {
          await scope(async (inner) => {
            const loss = inner.run(() => {
              const [loss, raw] = valueAndGradients(params, () => scaler.scale(mean(square(sub(x.matmul(params.w), params.h)))));
              const { gradients, finite } = scaler.unscale(raw);
              moving.step(clipGradNorm(gradients, 1).gradients, { finite });
              scaler.update(finite);
              average.update();
              return loss;
            });
            await realize([loss, ...moving.tensors(), ...average.tensors(), ...scaler.tensors()]);
          });
          bytes.push(own.memory().bytes);
        }
        expect(bytes[99]).toBe(bytes[9]);
      });
      expect(own.memory()).toMatchObject({ tensors: 0, bytes: 0 });
      adapter?.destroy();
    },
  );
});

test("a norm needs something to measure", () => {
  expect(() => globalNorm([])).toThrow("globalNorm: there are no tensors.");
  expect(() => clipGradNorm([tensor([1])], 0)).toThrow("clipGradNorm: maxNorm is 0. Give a number above 0.");
});
