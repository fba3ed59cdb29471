import { expect, test } from "vitest";
import { createCpu } from "./cpu.ts";
import { tensor } from "./create.ts";
import { grad } from "./grad.ts";
import "./methods.ts";
import type { Op } from "./op.ts";
import { mul } from "./ops/arithmetic.ts";
import { sum } from "./ops/sum.ts";
import { data } from "./realize.ts";
import { scope } from "./scope.ts";
import { applyAll, type Tensor } from "./tensor.ts";

/** Doubles, and counts as it goes: a further result of another shape. */
const counted: Op = {
  name: "counted",
  infer: ([x]) => x,
  extras: ([x]) => [{ shape: [1], dtype: x.dtype }],
  reference([x], _, out, [count]) {
    for (let i = 0; i < x.data.length; i++) out.data[i] = 2 * x.data[i];
    count.data[0] = x.data.length;
  },
  vjp: (g) => [mul(g, 2)],
};

test("a call may have further results, which are read, combined and freed like any", async () => {
  const device = createCpu();
  await scope(async (s) => {
    const x = s.run(() => tensor([1, 2, 3], { device }));
    const [y, n] = s.run(() => applyAll(counted, [x], undefined));
    expect([...(await data(s.run(() => mul(y, n))))]).toEqual([6, 12, 18]);
    expect([...(await data(n))]).toEqual([3]);
  });
  expect(device.memory().tensors).toBe(0);
});

test("a further result outlives the first, whichever is read first", async () => {
  const device = createCpu();
  const x = tensor([4, 5], { device });
  const [y, n] = applyAll(counted, [x], undefined);
  y.dispose();
  expect([...(await data(n))]).toEqual([2]);
  n.dispose();
  x.dispose();
  expect(device.memory().tensors).toBe(0);
});

test("gradients flow through the first result only", async () => {
  const g = grad((x: Tensor) => {
    const [y, n] = applyAll(counted, [x], undefined);
    return sum(mul(y, n));
  })(tensor([1, 1]));
  expect([...(await data(g))]).toEqual([4, 4]);
});
