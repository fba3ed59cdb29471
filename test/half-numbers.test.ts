import { clamp, type Device, equal, less, mul, sum, type Tensor, tensor, vjp } from "@snoopi/core";
import { describe, expect, test } from "vitest";
import { devices } from "./devices.ts";

// Numbers that meet tensors of f16. Values are those of torch 2.15 on its CPU.

describe.each(devices)("on $name", ({ device }: { device: Device }) => {
  const half = (...values: number[]) => tensor(values, { dtype: "f16", device });
  const list = async (x: Tensor) => Array.from(await x.data());

  test("factors and divisors are taken as they are, and the result is f16", async () => {
    const x = half(0.5, 3);
    expect(x.mul(70_000).dtype).toBe("f16");
    expect(await list(x.mul(70_000))).toEqual([35008, Number.POSITIVE_INFINITY]);
    expect(await list(mul(0.1, x))).toEqual([0.04998779296875, 0.300048828125]);
    // Subnormal: multiples of 2⁻²⁴.
    expect(await list(x.div(70_000))).toEqual([120 * 2 ** -24, 719 * 2 ** -24]);
    expect(await list(x.mul(70_000).mul(1e-3))).toEqual([35, Number.POSITIVE_INFINITY]);
  });

  test("gradients are scaled by the same factor", async () => {
    const [, pull] = vjp((x: Tensor) => sum(x.mul(70_000)), half(1e-4, 0.5));
    expect(await list(pull(half(0.5).reshape([])))).toEqual([35008, 35008]);
  });

  test("what they are compared with or limited to is rounded first", async () => {
    expect(await list(equal(half(0.1), 0.1))).toEqual([1]);
    expect(await list(less(half(65504), 65519))).toEqual([0]);
    expect(await list(clamp(half(2), 0, 1.0001))).toEqual([1]);
  });
});
