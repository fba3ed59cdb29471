import {
  checkpoint,
  cpu,
  createCpu,
  createDryDevice,
  customVjp,
  type Device,
  exp,
  grad,
  jvp,
  linear,
  mul,
  normal,
  realize,
  scope,
  sigmoid,
  silu,
  stopGradient,
  sum,
  type Tensor,
  tensor,
  valueAndGradients,
  vjp,
} from "@snoopi/core";
import fc from "fast-check";
import { expect, test } from "vitest";

const random = (shape: number[], key: number, device: Device = cpu) => normal(shape, { key, device }).to("f64");
const values = async (t: Tensor) => [...(await t.data())];
const dot = async (a: Tensor, b: Tensor) => sum(mul(a, b)).item();

/** Something with every kind of edge: fan-out, broadcasting, a view, a product. */
const curve = ({ x, w }: { x: Tensor; w: Tensor }) => {
  const h = silu(linear(x, w)).mul(sigmoid(x.slice([null, [0, 3]])));
  return h.add(exp(h.mul(0.3)).transpose().reshape(h.shape));
};

test("⟨u, J t⟩ equals ⟨Jᵀ u, t⟩", async () => {
  await fc.assert(
    fc.asyncProperty(fc.nat(), async (seed) => {
      const at = { x: random([3, 4], seed), w: random([3, 4], seed + 1) };
      const along = { x: random([3, 4], seed + 2), w: random([3, 4], seed + 3) };
      const u = random([3, 3], seed + 4);
      const [, pushed] = jvp(curve, at, along);
      const [, pull] = vjp(curve, at);
      const pulled = pull(u);
      const right = (await dot(pulled.x, along.x)) + (await dot(pulled.w, along.w));
      // Two orders of summing a few dozen f64 products.
      expect(Math.abs((await dot(u, pushed)) - right)).toBeLessThan(1e-12 * (1 + Math.abs(right)));
    }),
    { numRuns: 25 },
  );
});

test("jvp gives the output too, and names a tangent of another shape", async () => {
  const x = random([3], 1);
  const [y, dy] = jvp((v: Tensor) => mul(v, v), x, tensor([1, 0, 2], { dtype: "f64" }));
  expect(await values(y)).toEqual((await values(x)).map((v) => v * v));
  expect(await values(dy)).toEqual((await values(x)).map((v, i) => 2 * v * [1, 0, 2][i]));
  expect(() => jvp((v: Tensor) => v, x, random([4], 2))).toThrow("jvp: the tangent of [3] is [4].");
});

test("a checkpointed function has the same value and the same gradient, bit for bit", async () => {
  const at = { x: random([3, 4], 5), w: random([3, 4], 6) };
  const loss = (f: typeof curve) => grad((p: typeof at) => sum(mul(f(p), f(p))))(at);
  const [plain, thrifty] = [loss(curve), loss(checkpoint(curve))];
  expect(await values(thrifty.x)).toEqual(await values(plain.x));
  expect(await values(thrifty.w)).toEqual(await values(plain.w));
});

test("a checkpointed function can be differentiated twice", async () => {
  const x = random([5], 7);
  const cube = (v: Tensor) => mul(v, mul(v, v));
  const second = (f: typeof cube) => grad((v: Tensor) => sum(grad((w: Tensor) => sum(f(w)))(v)))(x);
  const [plain, thrifty] = [await values(second(cube)), await values(second(checkpoint(cube)))];
  for (const [i, v] of plain.entries()) expect(thrifty[i]).toBeCloseTo(v, 12);
});

test("gradients flow to the weights that a checkpointed function reaches by itself", async () => {
  const [x, w] = [random([3, 4], 8), random([2, 4], 9)];
  const layer = (v: Tensor) => silu(linear(v, w));
  const kept = checkpoint(layer);
  const gradients = (f: typeof layer) => valueAndGradients({ x, w }, () => sum(mul(f(x), f(x))))[1];
  const [plain, thrifty] = [gradients(layer), gradients(kept)];
  expect(await values(thrifty.w)).toEqual(await values(plain.w));
  expect(await values(thrifty.x)).toEqual(await values(plain.x));
  const nested = gradients(checkpoint((v: Tensor) => checkpoint(layer)(v)));
  expect(await values(nested.w)).toEqual(await values(plain.w));
});

test("parameters may be a map of names, and must be there", async () => {
  const weights = new Map([["w", tensor([3, 4])]]);
  const [, gradients] = valueAndGradients(weights, () => sum(mul(weights.get("w")!, weights.get("w")!)));
  expect(await values(gradients.get("w")!)).toEqual([6, 8]);
  expect(() => valueAndGradients([], () => sum(tensor([1])))).toThrow(
    "grad: there are no tensors among the parameters. Pass them in arrays or plain objects.",
  );
  expect(() => vjp(() => tensor([1]), {})).toThrow("vjp: there are no tensors among the primals. Pass them in arrays or plain objects.");
});

test("checkpoints hold one block at a time", () => {
  const [blocks, width] = [12, 64];
  const peak = (wrap: typeof checkpoint) => {
    const device = createDryDevice();
    const weights = Array.from({ length: blocks }, (_, i) => normal([width, width], { key: i, device }));
    const block = wrap(({ x, w }: { x: Tensor; w: Tensor }) => {
      let h = x;
      for (let i = 0; i < 6; i++) h = sigmoid(linear(h, w)).mul(h);
      return h;
    });
    const x = normal([256, width], { key: 99, device });
    const g = grad((ws: Tensor[]) => sum(ws.reduce((h, w) => block({ x: h, w }), x)))(weights);
    return realize(g).then(() => device.memory().peakBytes);
  };
  return Promise.all([peak((f) => f), peak(checkpoint)]).then(([all, one]) => {
    // 12 blocks of 6 layers keep two activations a layer; with checkpoints, 12 inputs and one block's own.
    expect(one).toBeLessThan(0.35 * all);
  });
});

test("a function may have a gradient of its own, which may be differentiated", async () => {
  const clipped = customVjp({ name: "clip", forward: (x) => x.mul(1), backward: (g, { inputs: [x] }) => [g.mul(x).mul(10)] });
  const x = tensor([1, 2, 3], { dtype: "f64" });
  expect(await values(grad((v: Tensor) => sum(clipped(v)))(x))).toEqual([10, 20, 30]);
  expect(await values(grad((v: Tensor) => sum(grad((w: Tensor) => sum(clipped(w)))(v)))(x))).toEqual([10, 10, 10]);
});

test("no gradient flows through stopGradient", async () => {
  const x = tensor([1, 2, 3], { dtype: "f64" });
  expect(await values(grad((v: Tensor) => sum(mul(v, stopGradient(v))))(x))).toEqual([1, 2, 3]);
});

test("transforms leave nothing behind", async () => {
  const device = createCpu();
  const x = normal([4], { key: 1, device });
  await x.data();
  const before = device.memory().tensors;
  await scope(async () => {
    const g = grad((v: Tensor) => sum(checkpoint((w: Tensor) => mul(w, sigmoid(w)))(v)))(x);
    const [, t] = jvp((v: Tensor) => mul(v, v), x, x);
    await realize([g, t]);
  });
  expect(device.memory().tensors).toBe(before);
});
