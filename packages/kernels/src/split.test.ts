import {
  add,
  amax,
  cast,
  concat,
  conv2d,
  cpu,
  type Device,
  embedding,
  greater,
  groupNorm,
  layerNorm,
  matmul,
  normal,
  pad,
  permute,
  resize,
  silu,
  softmax,
  sum,
  type Tensor,
  tensor,
} from "@snoopi/core";
import { afterAll, describe, expect, test } from "vitest";
import { createBackend, type WebGpuDevice } from "./backend.ts";
import { webgpu } from "./node.ts";

// The real limit is 128 MiB. A pretended one of 16 KiB takes the same paths in milliseconds.
const limit = 16 * 1024;
const real = await webgpu();
const small: WebGpuDevice = createBackend(real.gpu, { ...real.facts, maxBindingBytes: limit }, real.description);
const groups: WebGpuDevice = createBackend(
  real.gpu,
  { ...real.facts, subgroupSize: undefined, software: false, maxBindingBytes: limit },
  real.description,
);
const unaided: WebGpuDevice = createBackend(real.gpu, { ...real.facts, subgroupSize: undefined, maxBindingBytes: limit }, real.description);
afterAll(() => real.destroy());

const random = (shape: readonly number[], key: number, device: Device) => normal(shape, { key, device });

// Every call here has an operand or a result of more than 16 KiB.
const calls: Record<string, (d: Device) => Tensor> = {
  "an elementwise chain": (d) => silu(add(random([3, 5, 33, 47], 1, d), random([5, 1, 1], 2, d))),
  "an elementwise result in f16": (d) => cast(cast(random([3, 6, 32, 32], 1, d), "f16").mul(2), "f32"),
  "a transposing copy": (d) => permute(random([70, 130], 1, d), [1, 0]).mul(1),
  "a convolution with a large result": (d) =>
    conv2d(random([2, 3, 32, 32], 1, d), random([7, 3, 3, 3], 2, d), { padding: 1, bias: random([7], 3, d) }),
  "a convolution with a large image": (d) =>
    conv2d(random([1, 9, 32, 32], 1, d), random([2, 9, 3, 3], 2, d), { padding: 1, stride: 2, bias: random([2], 3, d) }),
  "a convolution with both": (d) => conv2d(random([2, 9, 31, 37], 1, d), random([8, 9, 3, 3], 2, d), { padding: 1 }),
  "a 1×1 convolution": (d) => conv2d(random([1, 8, 32, 32], 1, d), random([9, 8, 1, 1], 2, d)),
  "group normalisation": (d) => groupNorm(random([2, 12, 31, 33], 1, d), 4, { weight: random([12], 2, d), bias: random([12], 3, d) }),
  "layer normalisation": (d) => layerNorm(random([150, 77], 1, d), { weight: random([77], 2, d), bias: random([77], 3, d) }),
  softmax: (d) => softmax(random([150, 77], 1, d)),
  "a sum over the last axis": (d) => sum(random([150, 77], 1, d), { axis: 1 }),
  "a sum over the first axis": (d) => sum(random([500, 30], 1, d), { axis: 0 }),
  "a sum over the middle of three axes": (d) => sum(random([6, 150, 21], 1, d), { axis: 1 }),
  "a sum over the outer axes of four": (d) => sum(random([3, 7, 31, 33], 1, d), { axis: [0, 2] }),
  "a sum over everything": (d) => sum(random([100, 100], 1, d)),
  "a sum over a transposed axis": (d) => sum(permute(random([130, 70], 1, d), [1, 0]), { axis: 1 }),
  "a sum of every other axis of ten": (d) => sum(random(Array(10).fill(3), 1, d), { axis: [0, 2, 4, 6, 8] }),
  "a sum that is itself too large": (d) => sum(random([2, 90, 90], 1, d), { axis: 0 }),
  "a maximum over everything": (d) => amax(random([100, 100], 1, d)),
  "a maximum over the first axis": (d) => amax(random([500, 30], 1, d), { axis: 0 }),
  "a sum of f16": (d) => sum(cast(random([150, 77], 1, d), "f16"), { axis: 0 }),
  "a count of booleans": (d) => sum(greater(random([150, 77], 1, d), 0), { axis: 0 }),
  "nearest resizing": (d) => resize(random([2, 5, 20, 21], 1, d), [40, 43]),
  "bilinear resizing": (d) => resize(random([2, 5, 20, 21], 1, d), [33, 40], { mode: "bilinear" }),
  "a lookup in a large table": (d) => embedding(random([500, 20], 1, d), tensor([3, 0, 499, 250, 11], { dtype: "i32", device: d })),
  "joining and padding": (d) =>
    pad(concat([random([3, 30, 31], 1, d), random([3, 40, 31], 2, d)], { axis: 1 }), [
      [0, 0],
      [1, 2],
      [3, 1],
    ]),
};

describe.each([
  ["subgroups", small],
  ["no subgroups", unaided],
  ["workgroup trees", groups],
] as const)("with %s, what exceeds a binding", (_, device) => {
  test.each(Object.entries(calls))("%s is computed in parts", async (_name, call) => {
    const [want, got] = await Promise.all([call(cpu).data(), call(device).data()]);
    expect(got.length * 4).toBeGreaterThan(0);
    let [error, size] = [0, 0];
    for (let i = 0; i < want.length; i++) {
      error += (got[i] - want[i]) ** 2;
      size += want[i] ** 2;
    }
    // f32 rounding of sums of at most 12 · 31 · 33 terms, seen as a norm: √n · 2⁻²⁴ is 4e-6.
    expect(Math.sqrt(error / size)).toBeLessThan(4e-6);
  });
});

test("what cannot be split says how large it is", async () => {
  const says = "webgpu: matmulLanesNn needs 40960 bytes in one binding, and this device binds 16384. Use a smaller batch or size.";
  await expect(matmul(random([100, 100], 1, small), random([100, 4], 2, small)).data()).rejects.toThrow(says);
  const plane = random([1, 1, 65, 64], 1, small);
  const [own, few] = [{ padding: 1 }, { stride: 8 }];
  const refused = /^webgpu: conv2d\w+ needs \d+ bytes in one binding, and this device binds 16384\./;
  await expect(conv2d(plane, random([1, 1, 3, 3], 2, small), own).data()).rejects.toThrow(refused);
  await expect(conv2d(plane, random([1, 1, 3, 3], 2, small), few).data()).rejects.toThrow(refused);
});
