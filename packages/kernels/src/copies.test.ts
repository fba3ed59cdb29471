import { add, estimate, layerNorm, linear, mul, permute, reshape, type Spec, scope, slice, type Tensor } from "@snoopi/core";
import { expect, test } from "vitest";
import { webgpuPlan } from "./plan.ts";

const plan = webgpuPlan({ subgroupSize: 8, software: true, maxBindingBytes: 2 ** 27, maxBufferBytes: 2 ** 28, maxInputs: 7 });
const launches = async (f: (...args: Tensor[]) => unknown, specs: readonly Omit<Spec, "dtype">[], dtype: "f32" | "f16" = "f32") =>
  (
    await estimate(
      (...args: Tensor[]) => scope(() => f(...args)),
      specs.map((spec) => ({ ...spec, dtype })),
      plan,
    )
  ).dispatches;

test.each([
  { dtype: "f32", at: 64, copies: 0 },
  { dtype: "f32", at: 32, copies: 1 },
  { dtype: "f16", at: 128, copies: 0 },
  { dtype: "f16", at: 64, copies: 1 },
] as const)("a part of a tensor of $dtype that begins at $at is read with $copies copies", async ({ dtype, at, copies }) => {
  const product = (x: Tensor, w: Tensor, biases: Tensor) => linear(x, w, slice(biases, [[at, at + 64]]));
  const alone = await launches((x, w, bias) => linear(x, w, bias), [{ shape: [8, 64] }, { shape: [64, 64] }, { shape: [64] }], dtype);
  const part = await launches(product, [{ shape: [8, 64] }, { shape: [64, 64] }, { shape: [512] }], dtype);
  expect(part - alone).toBe(copies);
});

const shapes = [{ shape: [2, 64, 16] }, { shape: [64] }, { shape: [64] }];

test("what several kernels cannot read as it lies is copied once", async () => {
  const f = (x: Tensor, a: Tensor, b: Tensor) => {
    const tokens = permute(mul(x, x), [0, 2, 1]);
    return [layerNorm(tokens, { weight: a, bias: b }), layerNorm(tokens, { weight: b, bias: a }), layerNorm(tokens)];
  };
  // The square, the copy, three norms.
  expect(await launches(f, shapes)).toBe(5);
});

test("so is what a view cannot express", async () => {
  const f = (x: Tensor, a: Tensor, b: Tensor) => {
    const tokens = permute(mul(x, x), [0, 2, 1]);
    return [reshape(tokens, [32, 64]), layerNorm(tokens, { weight: a, bias: b })];
  };
  expect(await launches(f, shapes)).toBe(3);
});

test("but not kept beside the original while somebody reads that", async () => {
  const f = (x: Tensor, a: Tensor, b: Tensor) => {
    const square = mul(x, x);
    const tokens = permute(square, [0, 2, 1]);
    return [layerNorm(tokens, { weight: a, bias: b }), layerNorm(tokens, { weight: b, bias: a }), add(square, 1)];
  };
  // The square, two copies, two norms, the sum.
  expect(await launches(f, shapes)).toBe(6);
});
