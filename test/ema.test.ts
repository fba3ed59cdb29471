import { type Tensor, tensor } from "@snoopi/core";
import { type EmaOptions, ema } from "@snoopi/core/optim";
import { describe, expect, test } from "vitest";
import { devices } from "./devices.ts";

const read = async (t: Tensor) => [...(await t.data())];

describe.each(devices)("on $name", ({ device }) => {
  const at = (values: number[] | boolean) => tensor(values, { device });

  test.each<EmaOptions>([
    {},
    { decay: 0.5 },
    { ramp: "none", decay: 0.75, after: 2 },
    { ramp: { invGamma: 2, power: 0.75 }, decay: 0.9 },
    { decay: 0.99, minDecay: 0.3, after: 1 },
  ])("averages that the device counts for are those that JavaScript counts for: %o", async (options) => {
    const parameter = at([0, 0]);
    using counted = ema(parameter, options);
    using gated = ema(parameter, { ...options, gated: true });
    for (let i = 0; i < 12; i++) {
      parameter.assign(at([Math.sin(i), i % 3]));
      counted.update();
      gated.update({ finite: at(true) });
      const before = await read(gated.tensors()[0]);
      gated.update({ finite: at(false) });
      expect(await read(gated.tensors()[0])).toEqual(before);
      const wanted = await read(counted.tensors()[0]);
      // Twelve updates, each of a few roundings of numbers below 2.
      before.forEach((v, j) => {
        expect(Math.abs(v - wanted[j])).toBeLessThan(12 * 4 * 2 ** -23);
      });
    }
    expect(await read(gated.tensors()[1])).toEqual([12]);
  });

  test("gated averages go on where they were saved, and from the state of others", async () => {
    const parameter = at([1]);
    const options = { decay: 0.5 };
    using first = ema(parameter, { ...options, gated: true });
    using plain = ema(parameter, options);
    for (const v of [2, 3, 5]) {
      parameter.assign(at([v]));
      for (const one of [first, plain]) one.update();
    }
    using second = ema(parameter, { ...options, gated: true });
    using third = ema(parameter, { ...options, gated: true });
    second.restore(first.state());
    third.restore(plain.state());
    parameter.assign(at([7]));
    for (const one of [first, second, third]) one.update();
    expect(await read(second.tensors()[0])).toEqual(await read(first.tensors()[0]));
    expect(await read(third.tensors()[1])).toEqual([4]);
  });
});

test("a parameter of any name is saved beside the count", async () => {
  const parameters = { updates: tensor([1, 2]), updates_: tensor([3]) };
  using first = ema(parameters, { ramp: "none", decay: 0.5, gated: true });
  using second = ema(parameters, { ramp: "none", decay: 0.5, gated: true });
  using plain = ema(parameters, { ramp: "none", decay: 0.5 });
  for (const t of Object.values(parameters)) t.assign(t.mul(3));
  for (const one of [first, plain]) one.update();
  for (const from of [first, plain]) {
    second.restore(from.state());
    expect(await Promise.all(second.tensors().map(read))).toEqual([[2, 4], [6], [1]]);
  }
});

test("only gated averages can be told that a step did not count", () => {
  using average = ema(tensor([1]));
  expect(() => average.update({ finite: tensor(true) })).toThrow("ema: an update with `finite`, but updates always count.");
});
