import { add, amax, cast, clamp, cpu, type Device, normal, permute, sum, type Tensor, tensor, zeros } from "@snoopi/core";
import fc from "fast-check";
import { afterAll, describe, expect, test } from "vitest";
import { createBackend } from "./backend.ts";
import { webgpu } from "./node.ts";

const device = await webgpu();
const bounded = createBackend(device.gpu, { ...device.facts, maxBindingBytes: 4096 }, device.description);
const groups = createBackend(device.gpu, { ...device.facts, subgroupSize: undefined, software: false }, device.description);
afterAll(() => device.destroy());

// Two elements of f16 share a word, so results are stored by fours, which these shapes and strides do not allow.
test.each([
  ["whole", device],
  ["in parts", bounded],
] as const)("an f16 result of any shape, from turned and broadcast operands, is the reference's: %s", (_, d) =>
  fc.assert(
    fc.asyncProperty(
      fc.record({ rows: fc.constantFrom(1, 3, 4, 67), columns: fc.constantFrom(1, 2, 4, 5, 61), turned: fc.boolean(), key: fc.nat(99) }),
      async ({ rows, columns, turned, key }) => {
        const call = (on: Device) => {
          const half = (shape: number[], k: number) => cast(normal(shape, { key: k, device: on }), "f16");
          const x = turned ? permute(half([columns, rows], key), [1, 0]) : half([rows, columns], key);
          return add(add(x, half([columns], key + 1)), half([rows, 1], key + 2));
        };
        // f16 sums are exact in f32 before their one rounding, and normals are the same on both sides.
        expect(await call(d).data()).toEqual(await call(cpu).data());
      },
    ),
    { numRuns: 30, seed: 3 },
  ),
);

// 47 numbers are as many as there is room for beside seven operands of eight axes.
test.each([46, 47, 48, 57])("%d numbers in an expression of many axes and operands are not more than a kernel is handed", async (count) => {
  const axes = [0, 1, 2, 3, 4, 5, 6, 7];
  const shape = axes.map(() => 2);
  const call = (on: Device) => {
    // Turned each in its own way, so that no two axes run together.
    const [first, ...others] = axes.slice(1).map((k) =>
      permute(
        normal(shape, { key: k, device: on }),
        axes.map((i) => (i + k) % 8),
      ),
    );
    const numbers = Array.from({ length: count }, (_, i) => i / 64);
    return others.reduce<Tensor>(
      (a, b) => add(a, b),
      numbers.reduce<Tensor>((a, v) => add(a, v), first),
    );
  };
  // Sums are rounded one by one on either side.
  expect(await call(device).data()).toEqual(await call(cpu).data());
});

test("formulas that say an operand many times are nested without their text doubling", async () => {
  const call = (on: Device) => {
    let x = normal([10], { key: 1, device: on });
    for (let i = 0; i < 64; i++) x = clamp(x, -3 + i / 100, 3 - i / 100);
    return x;
  };
  expect(await call(device).data()).toEqual(await call(cpu).data());
});

describe.each([
  ["one thread a row", device],
  ["workgroup trees", groups],
] as const)("with %s", (_, d) => {
  const numbers = async (x: Tensor) => Array.from(await x.data());

  test("the sum of infinities is infinite, and that of both signs is not a number", async () => {
    const inf = Number.POSITIVE_INFINITY;
    const rows = tensor(
      [
        [inf, ...Array(99).fill(1)],
        [-inf, ...Array(99).fill(1)],
        [inf, -inf, ...Array(98).fill(1)],
      ],
      { device: d },
    );
    expect(await numbers(sum(rows, { axis: 1 }))).toEqual([inf, -inf, Number.NaN]);
    expect(await numbers(sum(permute(rows, [1, 0]).mul(1), { axis: 0 }))).toEqual([inf, -inf, Number.NaN]);
    expect(await numbers(amax(rows, { axis: 1 }))).toEqual([inf, 1, inf]);
  });

  test("the sum of nothing is zero, whatever its memory held before", async () => {
    const full = tensor(Array(64).fill(Number.NaN), { device: d });
    await full.data();
    full.dispose();
    expect(await numbers(sum(zeros([3, 0, 2], { device: d }), { axis: 1 }))).toEqual([0, 0, 0, 0, 0, 0]);
  });
});
