import {
  cast,
  cpu,
  type Device,
  fromData,
  geglu,
  groupNorm,
  layerNorm,
  normal,
  resize,
  scatterAdd,
  softmax,
  type Tensor,
  vjp,
} from "@snoopi/core";
import { afterAll, describe, expect, test } from "vitest";
import { createBackend } from "./backend.ts";
import type { Facts } from "./facts.ts";
import { webgpu } from "./node.ts";

// Backward kernels of ops that work by rows or planes, with what each class of device takes. Binding no more than 16 KiB, they work in parts.
const real = await webgpu();
afterAll(() => real.destroy());
const posing = (facts: Partial<Facts>): Device => createBackend(real.gpu, { ...real.facts, ...facts }, real.description);
const [cpuLike, gpuLike] = [{ software: true }, { software: false, subgroupSize: undefined }];
const maxBindingBytes = 16 * 1024;

const devices: readonly (readonly [string, Device])[] = [
  ["a CPU", posing(cpuLike)],
  ["a GPU", posing(gpuLike)],
  ["a CPU that binds little", posing({ ...cpuLike, maxBindingBytes })],
  ["a GPU that binds little", posing({ ...gpuLike, maxBindingBytes })],
];

type Draw = (shape: readonly number[]) => Tensor;

const drawing =
  (device: Device, half = false): Draw =>
  (shape) => {
    const x = normal(shape, { key: shape.length * 1000 + (shape[shape.length - 1] ?? 0), device });
    return half ? cast(x, "f16") : x;
  };

/** The gradients of `fn`, for a cotangent that is like nothing else. */
function gradients(fn: (inputs: Tensor[]) => Tensor, inputs: Tensor[]): Tensor[] {
  const [y, pull] = vjp(fn, inputs);
  return pull(cast(normal(y.shape, { key: 77, device: y.device }), y.dtype));
}

const affine = (draw: Draw, x: readonly number[], c: number) => [draw(x), draw([c]), draw([c]).add(1)];
const groups =
  (n: number) =>
  ([x, weight, bias]: Tensor[]) =>
    groupNorm(x, n, weight ? { weight, bias } : {});
const layer = ([x, weight, bias]: Tensor[]) => layerNorm(x, weight ? { weight, bias } : {});

const calls: Record<string, (draw: Draw) => Tensor[]> = {
  "group norm of planes that divide by four": (draw) => gradients(groups(4), affine(draw, [2, 12, 32, 32], 12)),
  "group norm of odd planes": (draw) => gradients(groups(4), affine(draw, [2, 12, 31, 33], 12)),
  "group norm of small planes": (draw) => gradients(groups(4), affine(draw, [3, 64, 8, 4], 64)),
  "group norm of single elements": (draw) => gradients(groups(4), affine(draw, [7, 64], 64)),
  "group norm of planes without elements": (draw) => gradients(groups(4), affine(draw, [2, 8, 0], 8)),
  "group norm without weight": (draw) => gradients(groups(2), [draw([2, 6, 25, 25])]),
  "layer norm of rows that divide by four": (draw) => gradients(layer, affine(draw, [150, 76], 76)),
  "layer norm of odd rows": (draw) => gradients(layer, affine(draw, [5, 30, 77], 77)),
  "layer norm without weight": (draw) => gradients(layer, [draw([150, 77])]),
  "layer norm of no rows": (draw) => gradients(layer, affine(draw, [0, 8], 8)),
  "softmax of rows that divide by four": (draw) => gradients(([x]) => softmax(x), [draw([150, 76])]),
  "softmax of odd rows": (draw) => gradients(([x]) => softmax(x), [draw([150, 77])]),
  "geglu of halves that divide by four": (draw) => [geglu(draw([150, 152])), ...gradients(([x]) => geglu(x), [draw([150, 152])])],
  "geglu of odd halves": (draw) => [geglu(draw([150, 154])), ...gradients(([x]) => geglu(x), [draw([150, 154])])],
  "nearest resizing by whole numbers": (draw) => gradients(([x]) => resize(x, [40, 63]), [draw([2, 5, 20, 21])]),
  "nearest resizing to any size": (draw) => gradients(([x]) => resize(x, [43, 29]), [draw([2, 5, 20, 71])]),
  "bilinear enlarging": (draw) => gradients(([x]) => resize(x, [40, 66], { mode: "bilinear" }), [draw([2, 5, 20, 71])]),
  "bilinear shrinking": (draw) => gradients(([x]) => resize(x, [7, 11], { mode: "bilinear" }), [draw([2, 5, 20, 71])]),
};

/** As norms, sums of up to 8,190 terms are off by √8190 · 2⁻²⁴ = 5e-6, and what they are made of by a few more units. */
const tolerance = 8e-6;

async function agree(got: Tensor, want: Tensor, most: number): Promise<void> {
  const [a, b] = await Promise.all([got.data(), want.data()]);
  expect(a.length).toBe(b.length);
  let [error, size] = [0, 0];
  for (let i = 0; i < b.length; i++) {
    error += (a[i] - b[i]) ** 2;
    size += b[i] ** 2;
  }
  expect(Math.sqrt(error)).toBeLessThanOrEqual(most * Math.sqrt(size));
}

test.each(devices.slice(0, 2))("with the kernels of %s, a plane in several chunks has the reference's gradients", async (_, device) => {
  const call = (draw: Draw) => [90, 92].flatMap((width) => gradients(groups(1), affine(draw, [1, 2, 90, width], 2)));
  const [want, got] = [call(drawing(cpu)), call(drawing(device))];
  // A channel's two sums of 8,190 terms may nearly cancel; their error follows the size of the terms.
  for (const [k, g] of got.entries()) await agree(g, want[k], k % 3 ? 1e-4 : tolerance);
});

describe.each(devices.slice(2))("with the kernels of %s", (_, device) => {
  test("a group that no binding holds says how large it is", async () => {
    const x = normal([1, 2, 90, 91], { key: 1, device });
    const [dx] = gradients(groups(1), [x]);
    await expect(dx.data()).rejects.toThrow(/needs 65\d\d\d bytes in one binding, and this device binds 16384/);
  });
});

describe.each(devices)("with the kernels of %s, the backward pass of", (_, device) => {
  test.each(Object.entries(calls))("%s is the reference's", async (_name, call) => {
    const [want, got] = [call(drawing(cpu)), call(drawing(device))];
    for (const [k, g] of got.entries()) await agree(g, want[k], tolerance);
  });

  test.each(Object.entries(calls))("%s in f16 is the reference's", async (_name, call) => {
    const [want, got] = [call(drawing(cpu, true)), call(drawing(device, true))];
    // Both round once more, at most to neighbours.
    for (const [k, g] of got.entries()) await agree(g, want[k], 2 ** -10);
  });

  test("norms of numbers with a large mean is as good as those numbers", async () => {
    const call = (draw: Draw) => {
      const far = (shape: readonly number[]) => draw(shape).add(1000);
      return [...gradients(groups(4), [far([1, 12, 18, 18])]), ...gradients(layer, [far([40, 76])])];
    };
    const [want, got] = [call(drawing(cpu)), call(drawing(device))];
    // Means of numbers near 1000 are off by a unit of those.
    for (const [k, g] of got.entries()) await agree(g, want[k], 1000 * 2 ** -23);
  });

  test("a lookup of a row that does not exist is NaN", async () => {
    const ids = fromData(Int32Array.of(1, -1, 9, 0), { shape: [4], dtype: "i32", device });
    const sums = await scatterAdd(normal([4, 5], { key: 1, device }), ids, 9).data();
    expect(sums.some(Number.isNaN)).toBe(true);
  });

  test("a lookup adds up its ids, few or many, in tables of any size", async () => {
    for (const [rows, width, count] of [
      [5, 3, 1300],
      [3000, 20, 9],
      [1030, 4, 201],
    ]) {
      const ids = Int32Array.from({ length: count }, (_, i) => (i * 7919) % rows);
      const on = (d: Device) =>
        scatterAdd(normal([count, width], { key: 5, device: d }), fromData(ids, { shape: [count], dtype: "i32", device: d }), rows);
      await agree(on(device), on(cpu), tolerance);
    }
  });
});
