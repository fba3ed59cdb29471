import {
  type AnyOp,
  add,
  apply,
  attention,
  conv2d,
  createCpu,
  createDryDevice,
  type Device,
  data,
  exp,
  geglu,
  groupNorm,
  isFloat,
  layerNorm,
  linear,
  matmul,
  mul,
  normal,
  type OpName,
  ops,
  realize,
  resize,
  scope,
  silu,
  softmax,
  square,
  sum,
  type Tensor,
  tanh,
  valueAndGradients,
  vjp,
} from "@snoopi/core";
import fc from "fast-check";
import { describe, expect, test } from "vitest";
import { devices } from "./devices.ts";
import { inputsOf } from "./oracles/inputs.ts";
import { samples } from "./samples/index.ts";
import type { Call, Samples } from "./samples/sample.ts";

// What a pass keeps for its backward pass. Values that are let go of are gone: a pullback that read one would throw.

const differentiable = (Object.entries(ops) as [OpName, AnyOp][]).filter(([, op]) => op.vjp);
const samplesOf = (name: OpName) => samples[name] as Samples<any>;

describe.each(differentiable)("%s", (name, op) => {
  test("is pulled back to one input at a time from no more than its tape kept", async () => {
    const property = fc.asyncProperty(samplesOf(name).valid, fc.nat({ max: 2 ** 20 }), async (call: Call<any>, seed) => {
      const device = createCpu();
      const make = () => inputsOf(call, samplesOf(name), "f32", seed).map((input) => input(device));
      const count = call.inputs.length;
      for (let i = 0; i < count; i++) {
        await scope(async (s) => {
          const inputs = s.run(make);
          if (!isFloat(inputs[i].dtype)) return;
          const fn = (x: Tensor) => apply(op, inputs.with(i, x), call.attrs);
          const seedOf = (y: Tensor) => normal(y.shape, { key: 5, device }).to(y.dtype);
          const [inOneGo, later] = s.run(() => [vjp(fn, inputs[i]), vjp(fn, inputs[i])]);
          if (!isFloat(later[0].dtype)) return;
          const expected = await data(s.run(() => inOneGo[1](seedOf(inOneGo[0]))));
          const cotangent = s.run(() => seedOf(later[0]));
          // The forward pass runs, and nobody but the tape has hold of anything.
          await realize([later[0], cotangent]);
          for (const t of [...inputs, later[0], inOneGo[0]]) t.dispose();
          inOneGo[1][Symbol.dispose]();
          expect(await data(s.run(() => later[1](cotangent)))).toEqual(expected);
        });
      }
      expect(device.memory().tensors).toBe(0);
    });
    await fc.assert(property, { numRuns: 10, seed: 3 });
  });
});

/** Which tensors of a call outlive their handles after the call has run, when only some inputs are differentiated. */
async function saved(call: (x: Tensor[]) => Tensor, shapes: readonly number[][], tracked: readonly number[]): Promise<string[]> {
  const device = createDryDevice();
  const inputs = shapes.map((shape, i) => normal(shape, { key: i, device }));
  await realize(inputs);
  const [y, pull] = vjp(
    (own: Tensor[]) => scope(() => call(inputs.map((x, i) => (tracked.includes(i) ? own[tracked.indexOf(i)] : x)))),
    tracked.map((i) => inputs[i]),
  );
  await realize([y]);
  const kept: string[] = [];
  [...inputs, y].forEach((t, i) => {
    const before = device.memory().bytes;
    t.dispose();
    if (device.memory().bytes === before) kept.push(i < inputs.length ? `${i}` : "y");
  });
  pull[Symbol.dispose]();
  expect(device.memory().tensors).toBe(0);
  return kept;
}

const image = [1, 4, 6, 6];
const heads = [1, 2, 5, 4];
test.each<[string, (x: Tensor[]) => Tensor, number[][], number[], string[]]>([
  ["matmul in a", ([a, b]) => matmul(a, b), [[3, 4], [4, 5]], [0], ["1"]], // biome-ignore format: a table
  ["matmul in b", ([a, b]) => matmul(a, b), [[3, 4], [4, 5]], [1], ["0"]], // biome-ignore format: a table
  ["linear in its bias", ([x, w, b]) => linear(x, w, b), [[3, 4], [5, 4], [5]], [2], []], // biome-ignore format: a table
  ["conv2d in its image", ([x, weight]) => conv2d(x, weight), [image, [3, 4, 3, 3]], [0], ["1"]],
  ["conv2d in its weight", ([x, weight]) => conv2d(x, weight), [image, [3, 4, 3, 3]], [1], ["0"]],
  ["conv2d in both", ([x, weight]) => conv2d(x, weight), [image, [3, 4, 3, 3]], [0, 1], ["0", "1"]],
  ["add", ([a, b]) => add(a, b), [[4], [4]], [0, 1], []],
  ["mul in a", ([a, b]) => mul(a, b), [[4], [4]], [0], ["1"]],
  ["sum", ([x]) => sum(x), [[4]], [0], []],
  ["exp", ([x]) => exp(x), [[4]], [0], ["y"]],
  ["tanh", ([x]) => tanh(x), [[4]], [0], ["y"]],
  ["square", ([x]) => square(x), [[4]], [0], ["0"]],
  ["softmax", ([x]) => softmax(x), [[3, 4]], [0], ["y"]],
  ["geglu", ([x]) => geglu(x), [[3, 8]], [0], ["0"]],
  ["silu", ([x]) => silu(x), [[4]], [0], ["0"]],
  ["resize", ([x]) => resize(x, [12, 12]), [image], [0], []],
  // One kernel makes the gradients of weight and bias, so it reads what either needs.
  ["layerNorm in its bias", ([x, weight, bias]) => layerNorm(x, { weight, bias }), [[3, 4], [4], [4]], [2], ["0"]], // biome-ignore format: a table
  ["groupNorm in its image", ([x, weight, bias]) => groupNorm(x, 2, { weight, bias }), [image, [4], [4]], [0], ["0", "1"]],
  ["attention in its values", ([q, k, v]) => attention(q, k, v), [heads, heads, heads], [2], ["0", "1", "2", "y"]],
])("%s keeps what its gradient reads", async (_, call, shapes, tracked, kept) => {
  expect(await saved(call, shapes, tracked)).toEqual(kept);
});

describe("a chain of layers", () => {
  const [layers, width, rows] = [16, 32, 1024];
  const unit = rows * width * 4;

  /** Bytes above weights and input at the peak, in activations. */
  async function peak(build: (device: Device) => { weights: Tensor[]; x: Tensor; run(x: Tensor): Tensor }, train: "weights" | "first") {
    const device = createDryDevice();
    const { weights, x, run } = build(device);
    await realize([...weights, x]);
    const before = device.memory().bytes;
    const [loss, gradients] = valueAndGradients(train === "weights" ? weights : [weights[0]], () => sum(run(x)));
    await realize([loss, ...gradients]);
    return (device.memory().peakBytes - before) / unit;
  }
  const ofLinear = (device: Device) => {
    const weights = Array.from({ length: layers }, (_, key) => normal([width, width], { key, device }));
    return {
      weights,
      x: normal([rows, width], { key: 99, device }),
      run: (x: Tensor) => scope(() => weights.reduce((h, w) => linear(h, w), x)),
    };
  };
  const ofConv = (device: Device) => {
    const weights = Array.from({ length: layers }, (_, key) => normal([width, width, 1, 1], { key, device }));
    return { weights, x: normal([1, width, rows, 1], { key: 99, device }), run: (x: Tensor) => weights.reduce((h, w) => conv2d(h, w), x) };
  };

  test.each([["linear", ofLinear] as const, ["conv2d", ofConv] as const])(
    "of %s keeps no activation for frozen weights",
    async (_, build) => {
      // The input of every layer but the first, which is there already; 16 gradients of 1/32 of an activation; what is being computed.
      const trained = await peak(build, "weights");
      expect(trained).toBeGreaterThanOrEqual(layers - 1);
      expect(trained).toBeLessThanOrEqual(layers + 2);
      // What is read and what is written, forwards or backwards, however many layers there are.
      expect(await peak(build, "first")).toBeLessThanOrEqual(2.1);
    },
  );

  test("keeps as little when its output is computed before it is pulled back", async () => {
    const held = async (train: boolean) => {
      const device = createDryDevice();
      const { weights, x, run } = ofLinear(device);
      await realize([...weights, x]);
      const before = device.memory().bytes;
      const [y] = train ? vjp((ws: Tensor[]) => scope(() => ws.reduce((h, w) => linear(h, w), x)), weights) : vjp(run, x);
      await realize([y]);
      return (device.memory().bytes - before) / unit;
    };
    expect(await held(true)).toBe(layers); // the inputs of 15 layers, and the output
    expect(await held(false)).toBe(1); // the output
  });
});

test.each(devices)("values that are made again on $name give the gradients of those that are kept", async ({ device }) => {
  // A mebibyte and more is made again, less is kept: the same blocks on all rows at once, and on each by itself.
  const [rows, width] = [8, 32];
  const w = normal([width, width, 1, 1], { key: 1, device }).mul(0.2);
  const x = normal([rows, width, 64, 16], { key: 2, device });
  const block = (x: Tensor) => add(x, conv2d(silu(groupNorm(x, 4)), w));
  const loss = (x: Tensor) => mul(sum(square(block(block(x)))), 1e-3);
  const gradients = (x: Tensor) => valueAndGradients({ x, w }, () => loss(x))[1];
  await scope(async (s) => {
    const together = s.run(() => gradients(x));
    const [, pull] = s.run(() => vjp(loss, x));
    const later = s.run(() => pull(normal([], { key: 3, device }).mul(0).add(1)));
    const apart = s.run(() => Array.from({ length: rows }, (_, i) => gradients(x.slice([[i, i + 1]]))));
    await realize([together.x, together.w, later, ...apart.flatMap((g) => [g.x, g.w])]);
    const all = async (of: readonly Tensor[]) => Promise.all(of.map(async (t) => Array.from(await data(t))));
    const parts = (await all(apart.map((g) => g.x))).flat();
    const summed = (await all(apart.map((g) => g.w))).reduce((a, b) => a.map((v, i) => v + b[i]));
    // Sums of 32 products, of a group's 8,192 elements and of 8,192 pixels, f32, in whatever order.
    for (const [t, want] of [
      [together.x, parts],
      [later, parts],
      [together.w, summed],
    ] as const) {
      const got = await data(t);
      expect(Math.sqrt(want.reduce((n, v, i) => n + (v - got[i]) ** 2, 0))).toBeLessThan(1e-5 * norm(want));
    }
  });
});

const norm = (values: readonly number[]): number => Math.sqrt(values.reduce((n, v) => n + v * v, 0));
