import { apply, cpu, type Device, normal, type Op, ops, type Shape, scope } from "@snoopi/core";
import { checkKernel, type KernelInput } from "@snoopi/core/testing";
import fc from "fast-check";
import { afterAll, describe, expect, test } from "vitest";
import { createBackend } from "./backend.ts";
import type { Facts } from "./facts.ts";
import { webgpu } from "./node.ts";

const real = await webgpu();
afterAll(() => real.destroy());
const posing = (facts: Partial<Facts>): Device => createBackend(real.gpu, { ...real.facts, ...facts }, real.description);

const devices: readonly (readonly [string, Device])[] = [
  ["the kernels of this adapter", real],
  ["a GPU without subgroups of one size", posing({ subgroupSize: undefined, software: false })],
];

const random =
  (shape: Shape, key: number): KernelInput =>
  (device) =>
    normal(shape, { key, device });

/** Sizes around the tiles' edges, windows with and without a middle, paddings that drop pixels and that add them. */
const cases = fc
  .record({
    batch: fc.constantFrom(1, 2, 5),
    I: fc.constantFrom(1, 3, 8, 17, 33),
    O: fc.constantFrom(1, 4, 7, 8, 9, 16, 17, 33),
    H: fc.constantFrom(1, 4, 7, 8, 12),
    W: fc.constantFrom(4, 8, 12, 16, 7, 33),
    window: fc.constantFrom([1, 1], [3, 3], [3, 3], [3, 3], [2, 3], [5, 1], [4, 4]),
    stride: fc.constantFrom([1, 1], [1, 1], [2, 2], [2, 1], [1, 3]),
    padding: fc.constantFrom([0, 0, 0, 0], [1, 1, 1, 1], [1, 1, 1, 1], [0, 1, 0, 1], [2, 0, 1, 1], [3, 4, 0, 5]),
    key: fc.nat({ max: 1000 }),
  })
  .map(({ batch, I, O, H, W, window, stride, padding, key }) => {
    const OH = Math.floor((H + padding[0] + padding[1] - window[0]) / stride[0]) + 1;
    const OW = Math.floor((W + padding[2] + padding[3] - window[1]) / stride[1]) + 1;
    return { image: [batch, I, H, W], weight: [O, I, ...window], output: [batch, O, OH, OW], stride, padding, key };
  })
  .filter(({ output }) => output[2] > 0 && output[3] > 0);

describe.each(devices)("with %s", (_, device) => {
  const agrees = (op: Op<any>, inputs: readonly KernelInput[], attrs: unknown) => checkKernel(device, op, { inputs, attrs });

  test("the gradient in the image is the reference's for any size, window, stride and padding", () =>
    fc.assert(
      fc.asyncProperty(cases, ({ image, weight, output, stride, padding, key }) =>
        agrees(ops.conv2dInputGrad, [random(output, key), random(weight, key + 1)], { stride, padding, shape: image }),
      ),
      { numRuns: 80, seed: 3, interruptAfterTimeLimit: 60_000 },
    ));

  test("the gradient in the weight is the reference's for any size, window, stride and padding", () =>
    fc.assert(
      fc.asyncProperty(cases, ({ image, weight, output, stride, padding, key }) =>
        agrees(ops.conv2dWeightGrad, [random(image, key), random(output, key + 1)], { stride, padding, shape: weight }),
      ),
      { numRuns: 80, seed: 4, interruptAfterTimeLimit: 60_000 },
    ));

  test.each([
    ["one image", [1, 3, 40, 36]],
    ["many images", [40, 3, 12, 8]],
    ["images of different lengths than the parts", [7, 2, 13, 16]],
  ])("the gradient in a small weight is summed in parts over %s", async (_name, image) => {
    for (const [stride, columns] of [
      [1, image[3]],
      [2, Math.ceil(image[3] / 2)],
    ]) {
      const output = [image[0], 5, Math.ceil(image[2] / stride), columns];
      const attrs = { stride: [stride, stride], padding: [1, 1, 1, 1], shape: [5, image[1], 3, 3] };
      await agrees(ops.conv2dWeightGrad, [random(image, 1), random(output, 2)], attrs);
    }
  });
});

test("nothing to sum gives zeros, not what was in memory", async () => {
  await scope(async (s) => {
    const call = (device: Device) =>
      s.run(() =>
        apply(ops.conv2dWeightGrad, [normal([0, 3, 8, 8], { key: 1, device }), normal([0, 4, 8, 8], { key: 2, device })], {
          stride: [1, 1],
          padding: [1, 1, 1, 1],
          shape: [4, 3, 3, 3],
        }),
      );
    expect(await call(real).data()).toEqual(await call(cpu).data());
  });
});
