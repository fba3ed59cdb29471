import {
  amax,
  amin,
  attention,
  concat,
  type Device,
  groupNorm,
  layerNorm,
  matmul,
  mean,
  mul,
  ones,
  pad,
  type Shape,
  scatterAdd,
  softmax,
  sum,
  type Tensor,
  tensor,
  variance,
  vjp,
  zeros,
} from "@snoopi/core";
import { describe, expect, test } from "vitest";
import { devices } from "./devices.ts";

// Lengths of zero, in what is read and in what comes out.

const { NaN: nan, POSITIVE_INFINITY: inf } = Number;

describe.each(devices)("on $name", ({ device }: { device: Device }) => {
  const none = (...shape: number[]) => zeros(shape, { device });
  const some = (...shape: number[]) => ones(shape, { device });
  const found = async (x: Tensor): Promise<[Shape, number[]]> => [x.shape, Array.from(await x.data())];
  const zero = (shape: Shape): [Shape, number[]] => [shape, Array(shape.reduce((n, d) => n * d, 1)).fill(0)];

  test("sums of nothing are zero, means of nothing are none", async () => {
    expect(await found(sum(none(0, 3), { axis: 0 }))).toEqual([[3], [0, 0, 0]]);
    expect(await found(mean(none(2, 0), { axis: 1 }))).toEqual([[2], [nan, nan]]);
    expect(await found(matmul(some(2, 0), some(0, 2)))).toEqual([
      [2, 2],
      [0, 0, 0, 0],
    ]);
    expect(await found(scatterAdd(none(0, 2), tensor([], { dtype: "i32", device }), 1))).toEqual([
      [1, 2],
      [0, 0],
    ]);
  });

  test("a variance that nothing is left to divide by is infinite, or none", async () => {
    const x = tensor([1, 3], { device });
    expect(await found(variance(x, { correction: 2 }))).toEqual([[], [inf]]);
    expect(await found(variance(x, { correction: 3 }))).toEqual([[], [inf]]);
    expect(await found(variance(some(1)))).toEqual([[], [nan]]);
    expect(await found(variance(none(0)))).toEqual([[], [nan]]);
  });

  test("extremes along an axis that has elements are as many as there are", async () => {
    expect(await found(amax(none(0, 3), { axis: 1 }))).toEqual([[0], []]);
    expect(await found(amin(none(2, 0, 3), { axis: [0, 2], keepdims: true }))).toEqual([[1, 0, 1], []]);
    const [y, pull] = vjp((x: Tensor) => amax(x, { axis: 1 }), none(0, 3));
    expect(await found(pull(y))).toEqual([[0, 3], []]);
  });

  test("what is joined or padded may be nothing", async () => {
    expect(await found(concat([none(0, 2), some(1, 2), none(0, 2)]))).toEqual([
      [1, 2],
      [1, 1],
    ]);
    expect(await found(pad(none(0), [[1, 2]], { value: 7 }))).toEqual([[3], [7, 7, 7]]);
    expect(await found(softmax(none(2, 0)))).toEqual([[2, 0], []]);
  });

  test("attention of no queries or to no keys has gradients, of any order, with a mask or without", async () => {
    for (const [Lq, Lk] of [
      [2, 0],
      [0, 2],
    ]) {
      for (const masked of [false, true]) {
        const start = [some(1, 1, Lq, 4), some(1, 1, Lk, 4), some(1, 1, Lk, 4), ...(masked ? [some(Lq, Lk)] : [])];
        const call = ([q, k, v, mask]: readonly Tensor[]) => attention(q, k, v, mask ? { mask } : {});
        const [y, pull] = vjp(call, start);
        expect(await found(y)).toEqual([[1, 1, Lq, 4], Array(4 * Lq).fill(0)]);
        for (const [i, g] of pull(y).entries()) {
          const size = start[i].shape.reduce((n, d) => n * d, 1);
          expect(await found(g)).toEqual([start[i].shape, Array(size).fill(0)]);
        }
        const slopes = (xs: Tensor[]) => vjp(call, xs)[1](some(1, 1, Lq, 4));
        const all = (xs: Tensor[]) =>
          slopes(xs)
            .map((g) => sum(mul(g, g)))
            .reduce((a, b) => a.add(b));
        const [, again] = vjp(all, start);
        for (const [i, g] of again(tensor(1, { device })).entries()) expect((await found(g))[0]).toEqual(start[i].shape);
      }
    }
  });

  test.each<[string, (x: readonly Tensor[]) => Tensor, Shape[]]>([
    ["mean", ([x]) => mean(x), [[0]]],
    ["mean along an axis", ([x]) => mean(x, { axis: 1, keepdims: true }), [[2, 0]]],
    ["variance", ([x]) => variance(x), [[0]]],
    ["variance along an axis", ([x]) => variance(x, { axis: 1 }), [[2, 0]]],
    ["groupNorm", ([x, weight, bias]) => groupNorm(x, 2, { weight, bias }), [[2, 4, 0], [4], [4]]],
    ["groupNorm of no pictures", ([x, weight, bias]) => groupNorm(x, 2, { weight, bias }), [[0, 4, 3], [4], [4]]],
    ["layerNorm", ([x, weight, bias]) => layerNorm(x, { weight, bias }), [[2, 0], [0], [0]]],
  ])("%s of nothing has a gradient that is empty or zero, and so has that", async (_, call, shapes) => {
    const start = shapes.map((shape) => some(...shape));
    const [y, pull] = vjp(call, start);
    for (const [i, g] of pull(some(...y.shape)).entries()) expect(await found(g)).toEqual(zero(shapes[i]));
    const ofSquares = ([g, ...xs]: readonly Tensor[]) =>
      vjp(call, xs)[1](g)
        .map((t) => sum(mul(t, t)))
        .reduce((a, b) => a.add(b));
    const [, again] = vjp(ofSquares, [some(...y.shape), ...start]);
    for (const [i, g] of again(some()).entries()) expect(await found(g)).toEqual(zero([y.shape, ...shapes][i]));
  });
});
