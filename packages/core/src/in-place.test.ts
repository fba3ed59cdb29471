import { expect, test } from "vitest";
import {
  add,
  broadcastTo,
  capture,
  cast,
  createCpu,
  createDryDevice,
  keep,
  mul,
  permute,
  realize,
  scope,
  slice,
  softmax,
  type Tensor,
  tensor,
  zeros,
} from "./index.ts";

const device = createCpu();
const numbers = async (t: Tensor) => [...(await t.data())];
/** Bytes that `f` takes beside its argument, at most and in the end, in tensors of four f32. */
async function room(f: (x: Tensor) => Tensor): Promise<{ most: number; left: number }> {
  const dry = createDryDevice();
  const x = tensor([1, 2, 3, 4], { device: dry });
  const before = dry.memory();
  await realize([scope(() => f(x))]);
  const { peakBytes, bytes } = dry.memory();
  return { most: (peakBytes - before.peakBytes) / 16, left: (bytes - before.bytes) / 16 };
}

test("a formula is written over what it is the last to read", async () => {
  expect(await room((x) => softmax(x).mul(2))).toEqual({ most: 1, left: 1 });
  expect(await room((x) => softmax(softmax(x).mul(2)).add(softmax(x)))).toEqual({ most: 2, left: 1 });
  // Named twice by the kernel, and by nobody else.
  const squared = (y: Tensor) => y.mul(y);
  expect(await room((x) => squared(softmax(x)))).toEqual({ most: 1, left: 1 });
});

test("not over what is broadcast, another type, a part of more, or read by others", async () => {
  expect(await room((x) => softmax(x).reshape([4, 1]).mul(softmax(x)))).toEqual({ most: 2 + 4, left: 4 });
  expect(await room((x) => cast(softmax(x), "i32"))).toEqual({ most: 2, left: 1 });
  expect(await room((x) => slice(softmax(broadcastTo(x, [100, 4]).mul(1)), [[0, 1]]).mul(2))).toEqual({ most: 200, left: 1 });
  const x = tensor([1, 2, 3, 4], { device });
  const held = softmax(x);
  const before = await numbers(held);
  await mul(held, 2).data();
  await permute(held.reshape([2, 2]), [1, 0])
    .mul(3)
    .data();
  expect(await numbers(held)).toEqual(before);
});

test("not over what something else that has not run will read through a formula on the way", async () => {
  const x = tensor([1, 2, 3, 4], { device });
  const [once, thrice] = scope(() => {
    const soft = softmax(x);
    const twice = keep(soft.mul(2));
    return [twice, keep(twice.mul(3))];
  });
  // `once` is computed on the way, not stored, and again from the same numbers when it is asked for.
  const six = await numbers(thrice);
  expect((await numbers(once)).map((v) => v * 3)).toEqual(six.map((v) => expect.closeTo(v, 6)));
});

test("the next value of a captured function's state is written over the one before", () => {
  const dry = createDryDevice();
  const [weight, momentum] = [0, 1].map(() => keep(zeros([1000], { device: dry })));
  using step = capture(
    (gradient: Tensor) => {
      momentum.assign(add(mul(momentum, 0.9), gradient));
      weight.assign(add(weight, mul(momentum, -0.1)));
      return weight.sum();
    },
    { device: dry },
  );
  scope(() => step(zeros([1000], { device: dry }))).dispose();
  // Two states, the argument, where it was given, and sums: no room for values beside those of the states.
  expect(dry.memory().peakBytes).toBeLessThan(4.1 * 4000);
  expect(step.dispatches).toBe(3);
});

test("unless the value before is read later, or is a result", async () => {
  const state = keep(tensor([1, 2], { device }));
  using step = capture(
    (x: Tensor) => {
      const before = state.mul(1);
      const old = softmax(state);
      state.assign(add(state, x));
      return [before, old, softmax(state.sub(x)).sub(old), state.sub(before)];
    },
    { device },
  );
  for (let i = 0; i < 3; i++) {
    const [before, , zero, moved] = step(tensor([10, 20], { device }));
    expect(await numbers(before)).toEqual([1 + 10 * i, 2 + 20 * i]);
    for (const v of await numbers(zero)) expect(v).toBeCloseTo(0, 5);
    expect(await numbers(moved)).toEqual([10, 20]);
  }
  expect(await numbers(state)).toEqual([31, 62]);
});

test("two states that change places keep both values", async () => {
  const [a, b] = [keep(tensor([1, 2], { device })), keep(tensor([3, 4], { device }))];
  using swap = capture(
    (x: Tensor) => {
      const before = a.add(x);
      a.assign(b.add(x));
      b.assign(before);
    },
    { device },
  );
  for (let i = 0; i < 2; i++) swap(tensor([1, 1], { device }));
  expect([await numbers(a), await numbers(b)]).toEqual([
    [3, 4],
    [5, 6],
  ]);
});
