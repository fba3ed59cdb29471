import { describe, expect, it } from "vitest";
import * as s from "./index.ts";
import { adam, adamw, ema, lossScaler, sgd } from "./optim/index.ts";

const x = s.tensor([
  [1, 2],
  [3, 4],
]);
const picture = s.ones([1, 2, 2, 2]);
const heads = s.ones([1, 1, 2, 2]);
const parameter = () => s.tensor([1]);

/** Everything that takes options, by the name that its errors begin with. */
const calls: Record<string, (options: never) => unknown> = {
  tensor: (o) => s.tensor([1], o),
  full: (o) => s.full([1], 1, o),
  zeros: (o) => s.zeros([1], o),
  ones: (o) => s.ones([1], o),
  empty: (o) => s.empty([1], o),
  arange: (o) => s.arange(2, o),
  uniform: (o) => s.uniform([1], o),
  normal: (o) => s.normal([1], o),
  sum: (o) => s.sum(x, o),
  mean: (o) => x.mean(o),
  variance: (o) => s.variance(x, o),
  amax: (o) => s.amax(x, o),
  amin: (o) => s.amin(x, o),
  softmax: (o) => s.softmax(x, o),
  gelu: (o) => s.gelu(x, o),
  concat: (o) => s.concat([x, x], o),
  stack: (o) => s.stack([x, x], o),
  chunk: (o) => s.chunk(x, 2, o),
  pad: (o) => s.pad(x, [[0, 0] as const, [0, 0] as const], o),
  resize: (o) => s.resize(picture, [4, 4], o),
  conv2d: (o) => s.conv2d(picture, s.ones([1, 2, 1, 1]), o),
  groupNorm: (o) => s.groupNorm(picture, 1, o),
  layerNorm: (o) => s.layerNorm(x, o),
  attention: (o) => s.attention(heads, heads, heads, o),
  capture: (o) => s.capture(() => x, o),
  createDryDevice: (o) => s.createDryDevice(o),
  adam: (o) => adam([parameter()], o),
  adamw: (o) => adamw([parameter()], o),
  sgd: (o) => sgd([parameter()], o),
  ema: (o) => ema([parameter()], o),
  lossScaler: (o) => lossScaler(o),
};

describe.each(Object.entries(calls))("%s", (op, call) => {
  it.each([
    [{ dimm: 1 }, "there is no option dimm. It takes "],
    [1, "the options are a number, expected an object. Pass { "],
    [[1], "the options are an array, expected an object. Pass { "],
    [x, "the options are a tensor, expected an object. Pass { "],
    [null, "the options are null, expected an object. Pass { "],
  ])("refuses %j", (options, message) => {
    expect(() => call(options as never)).toThrow(`${op}: ${message}`);
  });
});

it("says which options there are", () => {
  expect(() => s.sum(x, { dim: 1 } as never)).toThrow("sum: there is no option dim. It takes axis, keepdims.");
  expect(() => adamw([parameter()], { lr: 1, momentum: 0.9 } as never)).toThrow(
    "adamw: there is no option momentum. It takes lr, packed, gated, betas, eps, weightDecay.",
  );
});

it("refuses them at a step, an update and a tape's end", async () => {
  const p = s.tensor([1]);
  using optimiser = sgd([p], { lr: 1 });
  expect(() => optimiser.step([p], { rate: 1 } as never)).toThrow("sgd: there is no option rate");
  using average = ema([p]);
  expect(() => average.update({ skip: true } as never)).toThrow("ema: there is no option skip");
  using tape = s.gradientTape([p]);
  expect(() => tape.backward(s.sum(p), { keep: true } as never)).toThrow("backward: there is no option keep");
  await expect(s.realize([p], { abort: 1 } as never)).rejects.toThrow("realize: there is no option abort");
});
