import {
  add,
  amax,
  amin,
  cast,
  clamp,
  concat,
  type Device,
  type DType,
  div,
  embedding,
  equal,
  full,
  less,
  maximum,
  mean,
  mul,
  pad,
  square,
  sub,
  type Tensor,
  tensor,
  where,
} from "@snoopi/core";
import { describe, expect, test } from "vitest";
import { devices } from "./devices.ts";

// Integers up to the ends of their types, which neither f32 nor, as products, a JavaScript number can hold.

const [least, most, largest] = [-(2 ** 31), 2 ** 31 - 1, 2 ** 32 - 1];

describe.each(devices)("on $name", ({ device }: { device: Device }) => {
  const of = (dtype: DType, ...values: number[]) => tensor(values, { dtype, device });
  const list = async (x: Tensor) => Array.from(await x.data());

  test("products wrap as in two's complement", async () => {
    expect(await list(mul(of("i32", 123456789, least, 65537), of("i32", 987654321, -1, 65537)))).toEqual([-67153019, least, 131073]);
    expect(await list(mul(of("u32", largest, 123456789), of("u32", largest, 987654321)))).toEqual([1, 4227814277]);
    expect(await list(square(of("i32", 123456789)).add(1))).toEqual([-1757895750]);
  });

  test("numbers are handed to them exactly", async () => {
    expect(await list(full([2], most, { dtype: "i32", device }))).toEqual([most, most]);
    expect(await list(full([1], largest, { dtype: "u32", device }))).toEqual([largest]);
    expect(await list(sub(of("i32", 16777217, most), 16777216))).toEqual([1, 2130706431]);
    expect(await list(equal(of("i32", 16777216, 16777217), 16777217))).toEqual([0, 1]);
    expect(await list(sub(largest, of("u32", 1, largest)))).toEqual([4294967294, 0]);
    expect(await list(clamp(of("i32", least, 5, most), least + 1, most - 1))).toEqual([least + 1, 5, most - 1]);
    expect(await list(where(tensor([true, false], { device }), of("i32", 1, 2), 16777217))).toEqual([1, 16777217]);
    expect(await list(pad(of("i32", 1), [[1, 0]], { value: 16777217 }))).toEqual([16777217, 1]);
  });

  test("floats that they do not hold become the nearest that they do, and NaN 0", async () => {
    const far = [Number.NaN, Infinity, -Infinity, 3e9, -3e9, 5e9, -1.5, 2147483520, -0.9];
    const signed = [0, most, least, most, least, most, -1, 2147483520, 0];
    const unsigned = [0, largest, 0, 3e9, 0, largest, 0, 2147483520, 0];
    expect(await list(cast(of("f32", ...far), "i32"))).toEqual(signed);
    expect(await list(cast(of("f32", ...far), "u32"))).toEqual(unsigned);
    // Fused with what it is computed from, and four at a time.
    expect(await list(add(cast(mul(of("f32", ...far, 1, 2, 3), 1), "i32"), 0))).toEqual([...signed, 1, 2, 3]);
    expect(await list(cast(of("f16", 70000, -70000, Number.NaN, 7.9), "u32"))).toEqual([largest, 0, 0, 7]);
    expect(await list(cast(of("i32", -1, 5), "u32"))).toEqual([largest, 5]);
  });

  test("the smallest is found among all that there are", async () => {
    expect(await list(amin(of("i32", 5, least, most)))).toEqual([least]);
    expect(await list(amax(of("i32", least, least + 1)))).toEqual([least + 1]);
    expect(await list(amin(of("u32", largest, largest - 1)))).toEqual([largest - 1]);
  });

  test("their mean does not wrap", async () => {
    expect(await list(mean(of("i32", most, most)))).toEqual([2 ** 31]);
    expect(await list(mean(of("u32", largest, largest, largest, largest), { axis: 0 }))).toEqual([2 ** 32]);
  });

  test("meeting another type they become of that type first", async () => {
    const [whole, real] = [of("i32", 16777217), of("f32", 16777216)];
    expect([await list(equal(whole, real)), await list(sub(whole, real)), await list(less(real, whole))]).toEqual([[1], [0], [0]]);
    const [a, b] = [of("u32", 3000000000), of("i32", -1)];
    expect(await list(add(a, b))).toEqual([-1294967297]);
    expect([await list(less(a, b)), await list(maximum(a, b)), await list(equal(of("u32", largest), b))]).toEqual([[1], [-1], [1]]);
    expect(await list(div(of("i32", 7, least), of("i32", 2, 1)))).toEqual([3.5, least]);
  });

  test("they are joined with other types", async () => {
    const [bools, ints, floats] = [tensor([true, false], { device }), of("i32", -3, 4), of("f32", 0.5)];
    expect(await list(concat([ints, floats, bools]))).toEqual([-3, 4, 0.5, 1, 0]);
    expect(await list(concat([bools, ints]))).toEqual([1, 0, -3, 4]);
    expect(await list(concat([of("u32", largest, 7), ints]))).toEqual([-1, 7, -3, 4]);
    expect(await list(concat([of("u32", largest), bools]))).toEqual([largest, 1, 0]);
    expect(await list(concat([ints, of("f16", 0.5)]))).toEqual([-3, 4, 0.5]);
  });

  test("true and false stay 1 and 0", async () => {
    const bools = tensor([true, false], { device });
    expect(await list(cast(pad(bools, [[1, 1]], { value: 5 }), "i32"))).toEqual([1, 1, 0, 1]);
    expect(await list(embedding(cast(of("i32", 2, 0), "bool").reshape([2, 1]), of("i32", 0, 1, 0)))).toEqual([1, 0, 1]);
    expect(await list(cast(full([1], 7, { dtype: "bool", device }), "i32"))).toEqual([1]);
  });
});
