import { add, broadcastTo, mul, reshape, type Shape, silu, sizeOf, type Tensor, tensor, zeros } from "@snoopi/core";
import { expect, test } from "vitest";
import { params } from "../params.ts";
import { downBlock } from "./blocks.ts";
import { resnetBlock } from "./resnet.ts";

// What no checkpoint among the goldens is configured to do.

/** Numbers in [−1, 1] that depend on name and position only. */
function draw(path: string, shape: Shape): Tensor {
  const seed = [...path].reduce((n, c) => (n * 31 + c.charCodeAt(0)) % 9973, 7);
  return tensor(
    Float32Array.from({ length: sizeOf(shape) }, (_, i) => Math.sin(seed + i * 12.9898)),
    { shape },
  );
}

const sizes = { width: 4, out: 6, time: 5, groups: 2, eps: 1e-5 } as const;
const x = draw("x", [2, 4, 3, 3]);
const time = draw("time", [1, 5]);

test("time that scales and shifts does to the second norm what its own scale and shift would", async () => {
  const [scale, shift] = [draw("scale", [6]), draw("shift", [6])];
  const given = new Map([
    ["time_emb_proj.weight", zeros([12, 5])],
    ["time_emb_proj.bias", tensor([...(await scale.data()), ...(await shift.data())])],
  ]);
  const scaled = resnetBlock(
    params((path, shape) => given.get(path) ?? draw(path, shape)),
    { ...sizes, timeScaleShift: "scale_shift" },
  );
  const moved = new Map([
    ["time_emb_proj.weight", zeros([6, 5])],
    ["time_emb_proj.bias", zeros([6])],
    ["norm2.weight", mul(draw("norm2.weight", [6]), add(scale, 1))],
    ["norm2.bias", add(mul(draw("norm2.bias", [6]), add(scale, 1)), shift)],
  ]);
  const plain = resnetBlock(
    params((path, shape) => moved.get(path) ?? draw(path, shape)),
    { ...sizes, timeScaleShift: "default" },
  );
  const [got, wanted] = [await scaled(x, time).data(), await plain(x, time).data()];
  // Two f32 roundings more on values of about 10, through a 3×3 convolution of 54 terms.
  expect(Math.max(...wanted.map((value, i) => Math.abs(got[i] - value)))).toBeLessThan(1e-4);
});

test("activations in f16 stay so, though time is f32", () => {
  for (const timeScaleShift of ["default", "scale_shift"] as const) {
    const block = resnetBlock(
      params((path, shape) => draw(path, shape).to("f16")),
      { ...sizes, timeScaleShift },
    );
    expect(block(x.to("f16"), time).dtype).toBe("f16");
    expect(block(x, time).dtype).toBe("f32");
  }
});

test("a scale factor divides the sum with the skip", async () => {
  const block = (scaleFactor: number) => resnetBlock(params(draw), { ...sizes, timeScaleShift: "default", scaleFactor });
  const [half, whole] = [await block(2)(x, time).data(), await block(1)(x, time).data()];
  expect([...half].map((value) => 2 * value)).toEqual([...whole]);
});

test("halving without padding looks one pixel further to the right and down", async () => {
  // A window that copies its middle shows where it stands.
  const middle = reshape(tensor([0, 0, 0, 0, 1, 0, 0, 0, 0]), [1, 1, 3, 3]);
  const source = params((path, shape) => {
    if (!path.startsWith("downsamplers")) return draw(path, shape);
    return path.endsWith("bias") ? zeros(shape) : broadcastTo(middle, shape);
  });
  const block = (padding: number) =>
    downBlock(source, {
      width: 1,
      out: 1,
      layers: 1,
      resnet: { time: 5, timeScaleShift: "default", groups: 1, eps: 1e-5 },
      downsample: { padding },
    });
  const image = draw("image", [1, 1, 4, 4]);
  const around = { time: silu(time), context: { tokens: zeros([1, 1, 1]) } };
  const [full, padded] = block(1)(image, around);
  const [, shifted] = block(0)(image, around);
  const pixels = [...(await full.data())];
  expect([...(await padded.data())]).toEqual([0, 2, 8, 10].map((i) => pixels[i]));
  expect([...(await shifted.data())]).toEqual([5, 7, 13, 15].map((i) => pixels[i]));
});
