import { expect, test } from "vitest";
import { pullBack } from "./grad.ts";
import {
  add,
  concat,
  conv2d,
  createCpu,
  createDryDevice,
  type Device,
  data,
  full,
  groupNorm,
  matmul,
  mul,
  normal,
  realize,
  reshape,
  scope,
  silu,
  sum,
  type Tensor,
  tanh,
  valueAndGradients,
  vjp,
} from "./index.ts";
import { listen, Tape } from "./tape.ts";

// Values of a mebibyte, the smallest that are computed again.
const large = [1, 16, 128, 128];
const unit = 2 ** 20;

const input = (device: Device, key = 1) => normal(large, { key, device });
const weight = (device: Device, key = 2) => normal([16, 16, 1, 1], { key, device }).mul(0.2);

/** What is held between a forward pass that has run and its pullback, in units, above `given`. */
async function held(build: (device: Device) => { given: Tensor[]; wrt: Tensor[]; fn(own: Tensor[]): Tensor }): Promise<number> {
  const device = createDryDevice();
  const { given, wrt, fn } = build(device);
  await realize(given);
  const before = device.memory().bytes;
  const [y, pull] = vjp((own: Tensor[]) => scope(() => fn(own)), wrt);
  await realize([y]);
  y.dispose();
  const bytes = device.memory().bytes - before;
  await realize(pull(full(y.shape, 1, { device })));
  pull[Symbol.dispose]();
  return bytes / unit;
}

/** A block of norm, activation and convolution, added to its input. */
const block = (x: Tensor, w: Tensor) => add(x, conv2d(silu(groupNorm(x, 4)), w));

test("a block keeps the input of its norm alone, frozen or trained", async () => {
  const blocks = 4;
  const build = (train: boolean) => (device: Device) => {
    const [x, ws] = [input(device), Array.from({ length: blocks }, (_, i) => weight(device, i + 2))];
    const run = (x: Tensor, ws: Tensor[]) => ws.reduce(block, x);
    return train
      ? { given: [x, ...ws], wrt: ws, fn: (own: Tensor[]) => run(x, own) }
      : { given: [x, ...ws], wrt: [x], fn: ([v]: Tensor[]) => run(v, ws) };
  };
  // The first block's input is there already. Output and input of the activation would make three each.
  expect(await held(build(false))).toBe(blocks - 1);
  // Nothing reads the input of the first norm, as it is not trained: the input of the first convolution is kept.
  expect(await held(build(true))).toBe(blocks);
});

test("a value is kept where making it again would need as much", async () => {
  // exp keeps its result and not its argument, which nothing else reads.
  const one = await held((device) => {
    const [x, w] = [input(device), weight(device)];
    return { given: [x, w], wrt: [x], fn: ([v]) => conv2d(tanh(conv2d(v, w)), w) };
  });
  expect(one).toBe(1);
  // The sum of two products, read by the next norm, is one value; they would be two.
  const sumOfTwo = await held((device) => {
    const [x, w] = [input(device), weight(device)];
    return { given: [x, w], wrt: [x], fn: ([v]) => groupNorm(add(conv2d(v, w), conv2d(v.mul(2), w)), 4) };
  });
  expect(sumOfTwo).toBe(1);
});

test("of two joined values the one that is not kept otherwise is kept, and not both joined", async () => {
  const joined = await held((device) => {
    const [x, w] = [input(device), weight(device)];
    return {
      given: [x, w],
      wrt: [x],
      fn: ([v]) => {
        const h = conv2d(v, w);
        return groupNorm(concat([conv2d(groupNorm(h, 4), w), h], { axis: 1 }), 4);
      },
    };
  });
  expect(joined).toBe(2);
});

test("what was made before the pass is never made again: a parameter that has not been drawn yet", () => {
  const device = createDryDevice();
  const [x, w] = [input(device), weight(device)];
  const [, gradient] = valueAndGradients(w, () => sum(block(block(x, w), w)));
  const seen = new Set([gradient.node]);
  const draws = new Set<unknown>();
  for (const node of seen) {
    for (const n of node.origin?.inputs ?? []) seen.add(n);
    if (node.origin?.op.name === "random") draws.add(node);
  }
  // The weight and the input, once each.
  expect(draws.size).toBe(2);
});

test("gradients are those of values that are kept, bit for bit, in one go or later", async () => {
  const device = createCpu();
  await scope(async (s) => {
    const [x, w] = s.run(() => [input(device), weight(device)]);
    const fn = (x: Tensor, w: Tensor) => {
      const h = block(x, w);
      const joined = concat([conv2d(h, w), h], { axis: 1 });
      const wide = reshape(silu(groupNorm(joined, 8)), [32, 128 * 128]);
      return sum(mul(matmul(wide, wide.mul(0.01).transpose()), 0.5));
    };
    const wrt = s.run(() => [x.node, w.node]);
    // A pass that something listens to keeps what it reads.
    const kept = s.run(() => {
      using tape = new Tape([x, w]);
      using other = new Tape([]);
      const y = listen(tape, () => fn(x, w));
      return listen(other, () => pullBack(tape, y.node, full([], 1, { device }), wrt));
    });
    const [, inOneGo] = s.run(() => valueAndGradients([x, w], () => fn(x, w)));
    const [y, pull] = s.run(() => vjp(([x, w]: Tensor[]) => scope(() => fn(x, w)), [x, w]));
    await realize([y]);
    const later = s.run(() => pull(full([], 1, { device })));
    for (const [i, expected] of kept.entries()) {
      const bits = await data(expected);
      expect(await data(inOneGo[i])).toEqual(bits);
      expect(await data(later[i])).toEqual(bits);
      expect(await data(s.run(() => pull(full([], 1, { device })))[i])).toEqual(bits);
    }
  });
  expect(device.memory().tensors).toBe(0);
});
