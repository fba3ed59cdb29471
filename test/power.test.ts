import { type Device, pow, sum, type Tensor, tensor, vjp } from "@snoopi/core";
import { describe, expect, test } from "vitest";
import { devices } from "./devices.ts";

// Where a power or its derivative has a pole or a jump. Values and first derivatives are PyTorch's.

const { NaN: nan, POSITIVE_INFINITY: inf } = Number;

/** Base, exponent, power, and its derivatives in both. */
const places: readonly (readonly [a: number, b: number, power: number, da: number, db: number])[] = [
  [0, -1, inf, -inf, -inf],
  [0, -0.5, inf, -inf, -inf],
  [0, 0, 1, 0, 0],
  [0, 0.5, 0, inf, 0],
  [0, 1, 0, 1, 0],
  [0, 2, 0, 0, 0],
  [-0, -1, -inf, -inf, inf],
  [1, inf, 1, inf, 0],
  [1, -inf, 1, -inf, 0],
  [1, nan, 1, nan, 0],
  [-1, inf, 1, inf, nan],
  [nan, 0, 1, 0, nan],
  [2, 0, 1, 0, Math.LN2],
  [-2, 3, -8, 12, nan],
  [-2, 0.5, nan, nan, nan],
  [inf, -1, 0, 0, nan],
];

describe.each(devices)("on $name", ({ device }: { device: Device }) => {
  const at = (...values: number[]) => tensor(values, { device });
  const column = (i: number) => places.map((row) => row[i]);
  /** Functions of WGSL are good to some units in the last place. */
  const close = async (x: Tensor, want: readonly number[]) =>
    Array.from(await x.data()).forEach((v, i) => {
      const says = `${places[i]?.slice(0, 2)}`;
      if (Number.isFinite(want[i])) expect(Math.abs(v - want[i]), says).toBeLessThanOrEqual(1e-5 * Math.abs(want[i]));
      else expect(v, says).toBe(want[i]);
    });

  test("powers and their derivatives are PyTorch's", async () => {
    const [y, pull] = vjp(([a, b]: readonly Tensor[]) => pow(a, b), [at(...column(0)), at(...column(1))]);
    const [da, db] = pull(at(...places.map(() => 1)));
    await close(y, column(2));
    await close(da, column(3));
    await close(db, column(4));
  });

  test("a whole power has the derivative's derivative that its polynomial has, at zero too", async () => {
    for (const [n, second] of [
      [0, [0, 0, 0]],
      [1, [0, 0, 0]],
      [2, [2, 2, 2]],
      [3, [0, 6, -12]],
    ] as const) {
      const slope = (x: Tensor) => vjp((v: Tensor) => pow(v, n), x)[1](at(1, 1, 1));
      const [, pull] = vjp((x: Tensor) => sum(slope(x)), at(0, 1, -2));
      await close(pull(tensor(1, { device })), second);
    }
  });
});
