import {
  amax,
  amin,
  attention,
  cast,
  clamp,
  conv2d,
  createCpu,
  type DType,
  data,
  embedding,
  erf,
  fromData,
  full,
  gelu,
  grad,
  layerNorm,
  mean,
  promote,
  relu,
  resize,
  scatterAdd,
  sigmoid,
  silu,
  softmax,
  sum,
  type Tensor,
  tensor,
  uniform,
  variance,
  vjp,
} from "@snoopi/core";
import { describe, expect, test } from "vitest";

// Types, extremes and what is not a number, on the device that defines the meaning.

const device = createCpu();
const of = (values: number[], dtype: DType = "f32") => tensor(values, { dtype, device });
const list = async (t: Tensor) => Array.from(await data(t));
const { NaN: nan, POSITIVE_INFINITY: inf } = Number;

describe("types", () => {
  test("meet in the wider one, and a number takes its tensor's", () => {
    expect(promote("bool", "i32")).toBe("i32");
    expect(promote("f16", "i32")).toBe("f16");
    expect(promote("f32", "f64")).toBe("f64");
    expect(of([1], "i32").add(2).dtype).toBe("i32");
    expect(of([1], "i32").add(0.5).dtype).toBe("f32");
    expect(of([1], "u32").add(-1).dtype).toBe("i32");
    expect(of([1], "f16").mul(0.5).dtype).toBe("f16");
    expect(of([1], "i32").div(2).dtype).toBe("f32");
    expect(tensor([true]).add(1).dtype).toBe("i32");
  });

  test("convert as PyTorch does: towards zero, and anything but zero is true", async () => {
    expect(await list(cast(of([-1.9, 1.9, 0]), "i32"))).toEqual([-1, 1, 0]);
    expect(await list(cast(of([-0.5, 0, nan]), "bool"))).toEqual([1, 0, 1]);
    expect(await list(cast(of([0.1, 65520, -1e-9], "f64"), "f16"))).toEqual([0.0999755859375, inf, -0]);
    expect(await list(cast(tensor([true, false]), "f32"))).toEqual([1, 0]);
    expect(await list(tensor(Uint8Array.of(2, 0, 255)))).toEqual([1, 0, 1]);
  });

  test("of half precision round after each op, and their mean does not overflow", async () => {
    expect(await list(of([2048], "f16").add(1))).toEqual([2048]);
    const many = fromData(new Uint16Array(100_000).fill(0x4000), { shape: [100_000], dtype: "f16", device });
    expect(await list(mean(many))).toEqual([2]);
    expect(await list(variance(many))).toEqual([0]);
  });

  test("that are integers wrap, and reduce to integers", async () => {
    expect(await list(of([2147483647], "i32").add(1))).toEqual([-2147483648]);
    expect(await list(of([0], "u32").sub(of([1], "u32")))).toEqual([4294967295]);
    expect(await list(sum(tensor([true, false, true])))).toEqual([2]);
    expect(await list(amin(of([3, 0, 7], "u32")))).toEqual([0]);
    expect(await list(amin(tensor([true, false])))).toEqual([0]);
    expect(await list(amax(of([-3, -7], "i32")))).toEqual([-3]);
  });
});

test("what a call was told in an array is no longer read when it runs", async () => {
  const x = of([1, 2, 3, 4]).reshape([1, 1, 2, 2]);
  const [size, stride, padding, key]: [number, number][] = [
    [1, 1],
    [1, 1],
    [0, 0],
    [1, 2],
  ];
  const calls = () => [resize(x, size), conv2d(x, of([1]).reshape([1, 1, 1, 1]), { stride, padding }), uniform([4], { key, device })];
  const expected = await Promise.all(calls().map(list));
  const recorded = calls();
  for (const told of [size, stride, padding, key]) told[0] = 5;
  expect(await Promise.all(recorded.map(list))).toEqual(expected);
});

describe("extremes", () => {
  test("activations keep their limits", async () => {
    const x = of([-1e4, -100, 0, 100, 1e4]);
    expect(await list(sigmoid(x))).toEqual([0, Math.fround(1 / (1 + Math.exp(100))), 0.5, 1, 1]);
    expect(await list(silu(x))).toEqual([-0, Math.fround(-100 / (1 + Math.exp(100))), 0, 100, 1e4]);
    for (const approximate of ["none", "tanh"] as const) expect(await list(gelu(x, { approximate }))).toEqual([-0, -0, 0, 100, 1e4]);
    expect(await list(erf(of([-inf, inf, 0])))).toEqual([-1, 1, 0]);
  });

  test("softmax and attention survive large scores and rows that see nothing", async () => {
    expect(await list(softmax(of([1e4, 1e4, -inf])))).toEqual([0.5, 0.5, 0]);
    const one = (v: number) => of([v, v, v, v]).reshape([1, 1, 2, 2]);
    const blind = attention(one(1e3), one(1e3), of([1, 2, 3, 4]).reshape([1, 1, 2, 2]), {
      mask: tensor(
        [
          [true, true],
          [false, false],
        ],
        { device },
      ),
    });
    expect(await list(blind)).toEqual([2, 3, 0, 0]);
  });

  test("layerNorm subtracts the mean before it squares", async () => {
    expect(await list(layerNorm(of([1e6, 1e6 + 1]), { eps: 0 }))).toEqual([-1, 1]);
    expect(await list(layerNorm(of([5, 5, 5])))).toEqual([0, 0, 0]);
  });

  test("the nearest of pixels is one of them, infinite ones too", async () => {
    const x = of([-inf, 1, inf]).reshape([1, 1, 1, 3]);
    expect(await list(resize(x, [1, 6]))).toEqual([-inf, -inf, 1, 1, inf, inf]);
    const [, pull] = vjp((v: Tensor) => resize(v, [1, 6]), x);
    expect(await list(pull(of([1, -inf, 1, 1, inf, 1]).reshape([1, 1, 1, 6])))).toEqual([-inf, 2, inf]);
  });

  test("a maximum that more share than f16 can count gives each its part", async () => {
    const g = grad((x: Tensor) => amax(x))(full([70_000], 1, { dtype: "f16", device }));
    // 1/70000 to the nearest f16, which is subnormal.
    expect(new Set(await list(g))).toEqual(new Set([Math.round(2 ** 24 / 70_000) * 2 ** -24]));
  });

  test("NaN is not lost in maxima, clamps and activations", async () => {
    expect(await list(amax(of([1, nan, 3])))).toEqual([nan]);
    expect(await list(clamp(of([nan]), 0, 1))).toEqual([nan]);
    expect(await list(relu(of([nan, -1, 2])))).toEqual([nan, 0, 2]);
  });

  test("an id outside its table is an error, never a zero", async () => {
    const table = of([1, 2]).reshape([2, 1]);
    await expect(list(embedding(table, of([2], "i32")))).rejects.toThrow("embedding: id 2 is not a row of the table [2, 1].");
    await expect(list(embedding(table, of([-1], "i32")))).rejects.toThrow("embedding: id -1 is not a row of the table [2, 1].");
    await expect(list(scatterAdd(table, of([0, 7], "i32"), 3))).rejects.toThrow("scatterAdd: id 7 is not a row of a table of 3.");
  });
});
