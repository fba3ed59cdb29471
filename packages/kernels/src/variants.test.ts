import {
  abs,
  amax,
  attention,
  cast,
  conv2d,
  cpu,
  type Device,
  groupNorm,
  layerNorm,
  matmul,
  normal,
  permute,
  reshape,
  sizeOf,
  softmax,
  sum,
  type Tensor,
  tensor,
  vjp,
} from "@snoopi/core";
import fc from "fast-check";
import { afterAll, describe, expect, test } from "vitest";
import { createBackend } from "./backend.ts";
import type { Facts } from "./facts.ts";
import { webgpu } from "./node.ts";

// Kernels are chosen by what the device is said to be. Each family is compared with the CPU reference on sizes around its tiles' edges.
const real = await webgpu();
afterAll(() => real.destroy());
const posing = (facts: Partial<Facts>): Device => createBackend(real.gpu, { ...real.facts, ...facts }, real.description);

const devices: readonly (readonly [string, Device])[] = [
  ["the kernels of this adapter", real],
  ["a CPU without subgroups", posing({ subgroupSize: undefined, software: true })],
  ["a GPU without subgroups of one size", posing({ subgroupSize: undefined, software: false })],
];

/** Sizes one below, at and above multiples of every tile edge there is, small ones included. */
const edge = (...tiles: number[]) => fc.constantFrom(1, 2, 3, ...tiles.flatMap((t) => [t - 1, t, t + 1]));
const key = fc.nat({ max: 1000 });

/** Draws inputs: the n-th of a call is the same on every device. */
type Draw = (shape: readonly number[], half?: boolean) => Tensor;

function drawing(device: Device, first: number): Draw {
  let next = first * 16;
  return (shape, half = false) => {
    const x = normal(shape, { key: next++, device });
    return half ? cast(x, "f16") : x;
  };
}

/**
 * Checks a call against the reference. A sum of K products in f32 is off by random roundings of up to 2⁻²⁴ of the partial sums; as norms,
 * √K · 2⁻²⁴ of the result bounds that with room, and `steps` counts the other roundings of an element: exp, division and the like, each a
 * few units in the last place. An f16 result is rounded once more on both sides, which may tip to different neighbours: 2⁻¹⁰ apart.
 */
async function agrees(device: Device, first: number, call: (draw: Draw) => Tensor, { K, steps }: { K: number; steps: number }) {
  const result = call(drawing(device, first));
  const [want, got] = await Promise.all([call(drawing(cpu, first)).data(), result.data()]);
  let [error, size] = [0, 0];
  for (let i = 0; i < want.length; i++) {
    error += (got[i] - want[i]) ** 2;
    size += want[i] ** 2;
  }
  const relative = (Math.sqrt(K) + steps) * 2 ** -24 + (result.dtype === "f16" ? 2 ** -10 : 0);
  // What is subnormal in f16 is spaced by 2⁻²⁴ whatever its size.
  const absolute = result.dtype === "f16" ? 2 ** -24 * Math.sqrt(want.length) : 0;
  expect(Math.sqrt(error)).toBeLessThanOrEqual(relative * Math.sqrt(size) + absolute);
}

// With no shader cached, compiling those of the tiled attention kernel alone takes a software adapter about a minute.
describe.each(devices)("with %s", { timeout: 240_000 }, (_, device) => {
  const holds = <T>(arbitrary: fc.Arbitrary<T>, numRuns: number, check: (value: T) => Promise<void>) =>
    fc.assert(fc.asyncProperty(arbitrary, check), { numRuns, seed: 5, interruptAfterTimeLimit: 200_000 });

  test("a product of any size, order of axes and type is the reference's", () =>
    holds(
      fc.record({
        M: edge(4, 8, 16, 64),
        N: edge(8, 32, 64),
        K: edge(4, 8, 16),
        batch: fc.constantFrom([], [3], [2, 1]),
        turned: fc.tuple(fc.boolean(), fc.boolean()),
        half: fc.tuple(fc.boolean(), fc.boolean()),
        key,
      }),
      60,
      ({ M, N, K, batch, turned, half, key }) =>
        agrees(
          device,
          key,
          (draw) => {
            const operand = (i: 0 | 1, shape: readonly number[], rows: number, columns: number) => {
              if (!turned[i]) return draw([...shape, rows, columns], half[i]);
              const n = shape.length;
              return permute(draw([...shape, columns, rows], half[i]), [...shape.map((_, a) => a), n + 1, n]);
            };
            return matmul(operand(0, batch, M, K), operand(1, batch.length > 1 ? [2, 2] : [], K, N));
          },
          { K, steps: 4 },
        ),
    ));

  test("a product over far more than it has rows and columns, whose parts are added up, is the reference's", () =>
    holds(
      fc.record({
        M: edge(8, 64),
        N: edge(8, 64),
        K: fc.constantFrom(512, 1000, 1536, 2047, 4096),
        turned: fc.boolean(),
        half: fc.boolean(),
        key,
      }),
      8,
      ({ M, N, K, turned, half, key }) =>
        agrees(device, key, (draw) => matmul(turned ? permute(draw([K, M], half), [1, 0]) : draw([M, K], half), draw([K, N])), {
          K,
          steps: 8,
        }),
    ));

  test("a convolution of any size, window, stride and padding is the reference's", () =>
    holds(
      fc.record({
        batch: fc.constantFrom(1, 2),
        I: fc.constantFrom(1, 3, 8),
        O: edge(4, 8, 16),
        H: fc.constantFrom(3, 7, 8, 9),
        W: fc.constantFrom(4, 7, 8, 12, 33),
        window: fc.constantFrom([1, 1], [3, 3], [3, 2], [2, 3]),
        stride: fc.constantFrom(1, 2),
        padding: fc.constantFrom(0, 1, 2),
        bias: fc.boolean(),
        half: fc.boolean(),
        key,
      }),
      60,
      ({ batch, I, O, H, W, window, stride, padding, bias, half, key }) =>
        agrees(
          device,
          key,
          (draw) =>
            conv2d(draw([batch, I, H, W]), draw([O, I, ...window], half), { stride, padding, ...(bias && { bias: draw([O], half) }) }),
          { K: I * window[0] * window[1], steps: 4 },
        ),
    ));

  test("attention over any number of queries and keys is the reference's", () =>
    holds(
      fc.record({
        Lq: edge(8, 16, 64),
        Lk: edge(8, 16, 32),
        D: fc.constantFrom(8, 40),
        split: fc.boolean(),
        mask: fc.boolean(),
        causal: fc.boolean(),
        half: fc.boolean(),
        key,
      }),
      device === real ? 24 : 12,
      ({ Lq, Lk, D, split, mask, causal, half, key }) =>
        agrees(
          device,
          key,
          (draw) => {
            // Heads as they come out of a projection, [B, L, H·D], or apart.
            const heads = (L: number) =>
              split ? permute(reshape(draw([2, L, 3 * D], half), [2, L, 3, D]), [0, 2, 1, 3]) : draw([2, 3, L, D], half);
            const [q, k, v] = [heads(Lq), heads(Lk), heads(Lk)];
            return attention(q, k, v, { causal, ...(mask && { mask: draw([2, 1, 1, Lk]) }) });
          },
          // Scores are sums of D products that exp turns into relative errors of the weights; the weights are summed over the keys.
          { K: D + Lk, steps: 16 },
        ),
    ));

  test("softmax of any width is the reference's", () =>
    holds(
      fc.record({ rows: edge(8, 64), columns: edge(4, 64, 256, 512), half: fc.boolean(), scale: fc.constantFrom(1, 30), key }),
      40,
      ({ rows, columns, half, scale, key }) =>
        // exp of a number up to s in size, itself rounded, is off by s · 2⁻²⁴: five deviations of the difference of two normals.
        agrees(device, key, (draw) => softmax(draw([rows, columns], half).mul(scale)), { K: columns, steps: 8 + 8 * scale }),
    ));

  test("layer norm of any width, affine or not, is the reference's", () =>
    holds(
      fc.record({ rows: edge(8, 64), columns: edge(4, 64, 256), affine: fc.boolean(), half: fc.boolean(), key }),
      40,
      ({ rows, columns, affine, half, key }) =>
        agrees(
          device,
          key,
          (draw) =>
            layerNorm(draw([rows, columns], half), affine ? { weight: draw([columns], half), bias: draw([columns]), eps: 1e-3 } : {}),
          { K: columns, steps: 16 },
        ),
    ));

  test("group norm of any plane, in one chunk or several, affine or not, is the reference's", () =>
    holds(
      fc.record({
        batch: fc.constantFrom(1, 2),
        groups: fc.constantFrom(1, 2, 3),
        share: fc.constantFrom(1, 2, 5),
        plane: fc.constantFrom<number[][]>([], [1], [3], [8, 8], [7, 9], [31, 33], [32, 32], [31, 36], [65, 64], [67, 129]),
        affine: fc.boolean(),
        half: fc.boolean(),
        key,
      }),
      60,
      ({ batch, groups, share, plane, affine, half, key }) => {
        const C = groups * share;
        const length = share * sizeOf(plane);
        return agrees(
          device,
          key,
          (draw) =>
            groupNorm(draw([batch, C, ...plane], half), groups, affine ? { weight: draw([C], half), bias: draw([C]), eps: 1e-3 } : {}),
          { K: length, steps: 16 },
        );
      },
    ));

  test("a large mean costs a norm no more than its own rounding", async () => {
    // A mean of 4160 numbers near 1000, summed in four parts, is off by about √1040 · 2⁻²⁴ · 1000, and so is every element, whose size is
    // 1. The difference of mean squares and squared mean would be off by that times another 1000.
    const calls: ((draw: Draw) => Tensor)[] = [
      (draw) => groupNorm(draw([1, 4, 64, 65]).add(1000), 2),
      (draw) => layerNorm(draw([5, 320]).add(1000)),
    ];
    for (const call of calls) await agrees(device, 3, call, { K: 1, steps: 1000 * Math.sqrt(1040) });
  });

  test("sums and maxima over any axes, as they lie or turned, are the reference's", () =>
    holds(
      fc.record({
        shape: fc.array(fc.constantFrom(1, 2, 3, 17, 65), { minLength: 1, maxLength: 4 }).filter((s) => sizeOf(s) < 60_000),
        turn: fc.boolean(),
        which: fc.array(fc.boolean(), { minLength: 4, maxLength: 4 }),
        type: fc.constantFrom<"f32" | "f16" | "i32" | "u32" | "bool">("f32", "f16", "i32", "u32", "bool"),
        largest: fc.boolean(),
        key,
      }),
      120,
      async ({ shape, turn, which, type, largest, key }) => {
        const axis = shape.flatMap((_, i) => (which[i] ? [i] : []));
        const call = (draw: Draw) => {
          const x = cast(draw(shape).mul(100), type === "u32" ? "i32" : type).to(type);
          const lies = turn ? permute(x, shape.map((_, i) => i).reverse()) : x;
          return (largest ? amax : sum)(lies, { axis });
        };
        const K = largest || type === "i32" || type === "u32" || type === "bool" ? 0 : sizeOf(shape);
        // Terms of both signs nearly cancel: the error follows the size of a partial sum, √K terms, as large as an average result; a single
        // result may be a hundred times smaller.
        await agrees(device, key, call, { K, steps: K ? 100 * Math.sqrt(K) : 0 });
      },
    ));

  test.each<[string, readonly number[], readonly number[]]>([
    ["all of a long row", [1, 70_001], [1]],
    ["long rows", [3, 9_001], [1]],
    ["long columns", [9_001, 3], [0]],
    ["images and pixels", [3, 5, 41, 43], [0, 2, 3]],
    ["what is left over after many outputs", [5_000, 66], [1]],
  ])("a sum over %s is the reference's", (_name, shape, axis) =>
    agrees(device, 1, (draw) => sum(abs(draw(shape)), { axis }), { K: sizeOf(shape), steps: 4 }),
  );

  test.each<[string, { shapes: number[][]; hole?: number; call: (inputs: Tensor[]) => Tensor }]>([
    ["softmax of rows that four divides", { shapes: [[9, 520]], call: ([x]) => softmax(x) }],
    ["softmax of other rows", { shapes: [[9, 523]], call: ([x]) => softmax(x) }],
    ["a maximum over rows", { shapes: [[9, 523]], call: ([x]) => amax(x, { axis: 1 }) }],
    ["a maximum over columns", { shapes: [[523, 9]], call: ([x]) => amax(x, { axis: 0 }) }],
    ["a maximum over axes apart", { shapes: [[5, 9, 40]], call: ([x]) => amax(x, { axis: [0, 2] }) }],
    ["a maximum in two passes", { shapes: [[70_001]], call: ([x]) => amax(x) }],
    ...[5, 8].flatMap((D) =>
      ["queries", "keys", "values"].map(
        (name, hole): [string, { shapes: number[][]; hole: number; call: (inputs: Tensor[]) => Tensor }] => [
          `attention, in the ${name}, of heads ${D} wide`,
          { shapes: [9, 17, 17].map((L) => [2, 3, L, D]), hole, call: ([q, k, v]) => attention(q, k, v) },
        ],
      ),
    ),
  ])("NaN spreads as on the reference, and so it does through gradients: %s", async (_name, { shapes, hole = 0, call }) => {
    const found = async (on: Device) => {
      const draw = drawing(on, 7);
      const inputs = shapes.map((shape, i) => {
        const at = sizeOf(shape) >> 1;
        const nan = Float32Array.from({ length: sizeOf(shape) }, (_, j) => (i === hole && j === at ? Number.NaN : 0));
        return draw(shape).add(tensor(nan, { shape, device: on }));
      });
      const [y, pull] = vjp(call, inputs);
      const places = async (x: Tensor) => Array.from(await x.data(), (v) => (Number.isNaN(v) ? "1" : "0")).join("");
      return Promise.all([y, ...pull(draw(y.shape))].map(places));
    };
    const [want, got] = [await found(cpu), await found(device)];
    expect(want[0]).toContain("1");
    expect(got.map((places, i) => places === want[i])).toEqual(want.map(() => true));
  });
});
