import { expect, test } from "vitest";
import { createDryDevice } from "./dry.ts";
import { estimate, type TensorSpec } from "./estimate.ts";
import type { Storage } from "./node.ts";
import { add, mul } from "./ops/arithmetic.ts";
import { matmul } from "./ops/matmul.ts";
import { softmax } from "./ops/softmax.ts";
import { data, realize } from "./realize.ts";
import { scope } from "./scope.ts";
import type { Tensor } from "./tensor.ts";
import "./methods.ts";

test("an estimate counts arguments, results, kernels and operations", async () => {
  const f = ({ w }: { w: Tensor }, x: Tensor) => mul(matmul(x, w), 2);
  const specs = [{ w: { shape: [3, 5] } }, { shape: [4, 3] }] as const;
  const cost = await estimate((...args: Parameters<typeof f>) => scope(() => f(...args)), specs);
  // Weights, input and product of 15, 12 and 20 f32; the result takes the product's place.
  expect(cost).toEqual({ peakBytes: 4 * 47, bytes: 4 * 47, peakDeviceBytes: 4 * 47, dispatches: 2, flops: 2 * 4 * 3 * 5 + 20 });
  // Without a scope the handle to the product lives on.
  expect(await estimate(f, specs)).toEqual({ ...cost, peakBytes: 4 * 67, bytes: 4 * 67, peakDeviceBytes: 4 * 67 });
});

test("specs have a type, lie in trees, and stand beside other values, which pass through", async () => {
  const seen: unknown[] = [];
  const f = (tree: { a: readonly Tensor[]; n: number }, flag: boolean) => {
    seen.push(
      tree.a.map(({ dtype, shape, device }) => [dtype, shape, device.name]),
      tree.n,
      flag,
    );
    return tree.a;
  };
  const { bytes } = await estimate(f, [{ a: [{ shape: [2], dtype: "f16" }, { shape: [] }], n: 3 }, true]);
  expect(seen).toEqual([
    [
      ["f16", [2], "dry"],
      ["f32", [], "dry"],
    ],
    3,
    true,
  ]);
  expect(bytes).toBe(2 * 2 + 4);
});

test("specs may lie in maps and in objects without a prototype, as tensors may", async () => {
  const f = ({ weights }: { readonly weights: ReadonlyMap<string, { readonly w: Tensor }> }) => weights.get("a")!.w;
  const weights = new Map([["a", Object.assign(Object.create(null), { w: { shape: [3] } }) as { readonly w: TensorSpec }]]);
  expect(await estimate(f, [{ weights }])).toMatchObject({ bytes: 12 });
});

test("what a program realizes on the way counts, and what it lets go of does not count at the end", async () => {
  const f = async (x: Tensor) => {
    const y = add(x, 1);
    await realize([y]);
    const z = softmax(y);
    y.dispose();
    return z;
  };
  expect(await estimate(f, [{ shape: [8] }])).toMatchObject({ peakBytes: 96, bytes: 64, dispatches: 2 });
});

test("reading a value is refused, as there is none", async () => {
  await expect(estimate((x: Tensor) => data(x), [{ shape: [2] }])).rejects.toThrow("read: this tensor is on a dry device");
});

test("a captured program on a dry device costs nothing when it is made, its cost with every replay, and keeps its memory", () => {
  const device = createDryDevice();
  const program = device.capture(() => {
    for (let i = 0; i < 3; i++) device.allocate("f32", 10).release();
    const [x, out] = [device.allocate("f32", 4), device.allocate("f32", 4)].map((storage) => ({
      storage,
      layout: { shape: [4], strides: [1], offset: 0 },
      dtype: "f32" as const,
    }));
    device.elementwise({ term: { kind: "input", index: 0, dtype: "f32" }, constants: [] }, [x], out);
    for (const { storage } of [x, out]) storage.release();
  });
  expect([device.flops, device.dispatches, program.dispatches]).toEqual([0, 0, 1]);
  program.replay();
  program.replay();
  expect([device.flops, device.dispatches]).toEqual([8, 2]);
  expect(device.memory()).toMatchObject({ tensors: 3, bytes: 40 + 32 });
  program[Symbol.dispose]();
  expect(device.memory()).toMatchObject({ tensors: 0, bytes: 0 });
});

test("calls that fail while they are captured on a dry device cost nothing and keep no memory", () => {
  const device = createDryDevice();
  const made: Storage[] = [];
  const failing = () => {
    made.push(device.allocate("f32", 10), device.allocate("f32", 4));
    const out = { storage: made[1], layout: { shape: [4], strides: [1], offset: 0 }, dtype: "f32" } as const;
    device.elementwise({ term: { kind: "constant", index: 0, dtype: "f32" }, constants: [1] }, [], out);
    throw new Error("failed");
  };
  expect(() => device.capture(failing)).toThrow("failed");
  expect(device.memory()).toMatchObject({ tensors: 0, bytes: 0 });
  expect([device.flops, device.dispatches]).toEqual([0, 0]);
  for (const storage of made) storage.release();
  device.allocate("f32", 5).release();
  expect(device.memory()).toMatchObject({ tensors: 0, bytes: 0 });
});
