import { cast, cpu, embedding, fromData, tensor } from "@snoopi/core";
import { afterAll, expect, test } from "vitest";
import { webgpu } from "./node.ts";

const device = await webgpu();
afterAll(() => device.destroy());

/** Every f16: zeros, subnormals, normals, infinities and NaNs. */
const all = Uint16Array.from({ length: 65536 }, (_, i) => i);
const numbers = (bits: Uint16Array) => fromData(bits, { shape: [bits.length], dtype: "f16", device });
const same = (got: ArrayLike<number>, want: ArrayLike<number>) => {
  for (let i = 0; i < want.length; i++) if (!Object.is(got[i], want[i])) return { at: i, got: got[i], want: want[i] };
  return undefined;
};

test("every f16 is widened exactly", async () => {
  const want = await fromData(all, { shape: [all.length], dtype: "f16", device: cpu }).data();
  expect(same(await cast(numbers(all), "f32").data(), want)).toBeUndefined();
});

test("every f16 survives a copy, subnormals and infinities too", async () => {
  // Halves that are doubled and halved again are the same, as long as the double fits.
  const fits = all.filter((bits) => (bits & 0x7fff) < 0x7800);
  const want = await fromData(fits, { shape: [fits.length], dtype: "f16", device: cpu }).data();
  expect(same(await numbers(fits).mul(2).mul(0.5).data(), want)).toBeUndefined();
});

test("f32 is rounded to f16 as on the CPU: ties to even, small to subnormal, large to infinity", async () => {
  const edges = [
    0,
    -0,
    2 ** -25,
    1.5 * 2 ** -25,
    2 ** -24,
    3 * 2 ** -25,
    6.0975e-5,
    6.1e-5,
    1 + 2 ** -11,
    1 + 3 * 2 ** -11,
    2049,
    2051,
    65504,
    65519,
    65520,
    7e4,
    3e38,
  ];
  const values = Float32Array.from([...edges, ...edges.map((v) => -v), Number.POSITIVE_INFINITY, Number.NEGATIVE_INFINITY]);
  const rounded = (on: typeof cpu) => cast(tensor(values, { device: on }), "f16").data();
  expect(same(await rounded(device), await rounded(cpu))).toBeUndefined();
});

test("a lookup in an f16 table returns its subnormals", async () => {
  const bits = Uint16Array.from([1, 2, 0x200, 0x3ff, 0x400, 0x8001, 0x83ff, 0x3c00]);
  const look = (on: typeof cpu) =>
    embedding(fromData(bits, { shape: [4, 2], dtype: "f16", device: on }), tensor([3, 0, 1, 2], { dtype: "i32", device: on })).data();
  expect(same(await look(device), await look(cpu))).toBeUndefined();
});
