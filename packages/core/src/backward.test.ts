import { expect, test } from "vitest";
import {
  createDryDevice,
  customVjp,
  grad,
  gradientTape,
  mean,
  noGrad,
  normal,
  scope,
  square,
  sum,
  tensor,
  valueAndGradients,
} from "./index.ts";
import { isListening } from "./tape.ts";

const weights = () => ({ a: tensor([1, 2, 3]), b: tensor([0.5, -1, 2]) });

test("a tape gives the gradients that a function gives", async () => {
  const w = weights();
  const lossOf = () => mean(square(w.a.mul(w.b).add(w.a)));
  using tape = gradientTape(w);
  const loss = lossOf();
  const gradients = tape.backward(loss);
  const [value, expected] = valueAndGradients(w, lossOf);
  expect(await loss.item()).toBe(await value.item());
  for (const name of ["a", "b"] as const) expect(await gradients[name].data()).toEqual(await expected[name].data());
  expect(isListening()).toBe(false);
});

test("a tape that is kept serves several losses, and counts nothing twice", async () => {
  const x = tensor([1, 2, 3]);
  using tape = gradientTape(x);
  const y = square(x);
  const first = tape.backward(sum(y), { retain: true });
  const second = tape.backward(sum(y.mul(x)));
  expect([...(await first.data())]).toEqual([2, 4, 6]);
  expect([...(await second.data())]).toEqual([3, 12, 27]);
});

test("a tape inside of another gives gradients that can be differentiated", async () => {
  const slope = (x: ReturnType<typeof tensor>) => {
    using tape = gradientTape(x);
    return sum(tape.backward(sum(x.pow(3))));
  };
  expect([...(await grad(slope)(tensor([1, 2])).data())]).toEqual([6, 12]);
});

test("a tape ends with its scope, and with noGrad around its end", () => {
  scope(() => void gradientTape(weights()));
  expect(isListening()).toBe(false);
  const tape = gradientTape(weights());
  noGrad(() => tape[Symbol.dispose]());
  expect(isListening()).toBe(false);
});

test("a tape holds nothing once backward has run", async () => {
  const device = createDryDevice();
  const w = normal([64, 64], { key: 1, device });
  const loss = scope(() => {
    const tape = gradientTape(w);
    const out = sum(square(square(w)));
    tape.backward(out);
    return out;
  });
  await loss.data().catch(() => {});
  w.dispose();
  loss.dispose();
  expect(device.memory()).toMatchObject({ tensors: 0, bytes: 0 });
});

test("a tape records on after a backward pass that failed", async () => {
  const x = tensor([1, 2, 3]);
  using tape = gradientTape(x);
  const broken = customVjp({
    name: "broken",
    forward: (v) => v.mul(2),
    backward: () => {
      throw new Error("broken");
    },
  });
  expect(() => tape.backward(sum(broken(x)), { retain: true })).toThrow("broken");
  expect([...(await tape.backward(sum(square(x))).data())]).toEqual([2, 4, 6]);
});

test("what cannot be differentiated says why", () => {
  const w = weights();
  const early = sum(w.a);
  using tape = gradientTape(w);
  expect(() => tape.backward(w.a.mul(2))).toThrow("grad: the function must return one number, got [3]. Reduce it with sum or mean");
  expect(() => tape.backward(early)).toThrow("backward: the loss depends on none of the parameters. Compute it from them after");
  expect(() => tape.backward(noGrad(() => sum(w.a)))).toThrow("backward: the loss depends on none of the parameters.");
  const loss = sum(w.a);
  tape.backward(loss);
  expect(() => tape.backward(loss)).toThrow("backward: the tape has ended. Make one for every step, or pass { retain: true }");
  expect(() => gradientTape([])).toThrow("gradientTape: there are no tensors among the parameters.");
  expect(() => gradientTape(tensor([1], { dtype: "i32" }))).toThrow("gradientTape: a parameter is i32 [1], and only floats have gradients");
});
