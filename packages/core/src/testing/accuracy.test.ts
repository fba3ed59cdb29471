import { expect, test } from "vitest";
import { wgsl } from "./accuracy.ts";

test.each(["sqrt", "exp", "log", "sin", "tanh", "erf"] as const)("%s passes on its operand's error and adds its own", (name) => {
  const [v, e] = [0.81, 1e-9];
  const own = wgsl[name]({ v, e: 0 }).e;
  const slope = (wgsl[name]({ v: v + 1e-4, e: 0 }).v - wgsl[name]({ v, e: 0 }).v) / 1e-4;
  expect(own).toBeGreaterThan(0);
  expect(wgsl[name]({ v, e }).e - own).toBeGreaterThan(0.9 * Math.abs(slope) * e);
});

test("the root of an exact zero is exact", () => {
  expect(wgsl.sqrt({ v: 0, e: 0 })).toEqual({ v: 0, e: 0 });
});

test("the logarithm of a value that may be 0 has no bound", () => {
  expect(wgsl.log({ v: 1e-9, e: 2e-9 }).e).toBe(Number.POSITIVE_INFINITY);
});
