import {
  attention,
  conv2d,
  type Device,
  grad,
  groupNorm,
  linear,
  matmul,
  mean,
  normal,
  square,
  sub,
  type Tensor,
  tensor,
  tidy,
} from "@snoopi/core";

type Draw = (shape: readonly number[], stream: number) => Tensor;

/** One of each kind of work, from numbers that are the same on every device. */
const cases: Readonly<Record<string, (draw: Draw, device: Device) => Tensor>> = {
  "random numbers": (draw) => draw([1000], 0),
  matmul: (draw) => matmul(draw([3, 33, 70], 1), draw([70, 41], 2)),
  conv2d: (draw) => conv2d(draw([2, 5, 17, 19], 3), draw([7, 5, 3, 3], 4), { bias: draw([7], 5), stride: 2, padding: 1 }),
  attention: (draw) => attention(draw([1, 2, 37, 16], 6), draw([1, 2, 29, 16], 7), draw([1, 2, 29, 16], 8)),
  "group norm": (draw) => groupNorm(draw([2, 8, 5, 7], 9), 4),
  // Rounded on the host, as a checkpoint's are.
  "weights in f16": (draw, device) => {
    const weight = Float32Array.from({ length: 24 * 32 }, (_, i) => Math.sin(i));
    return linear(draw([9, 32], 10), tensor(weight, { shape: [24, 32], dtype: "f16", device }));
  },
  "rounding to f16": (draw) => draw([100], 11).to("f16"),
  "a gradient": (draw) => {
    const [x, y] = [draw([21, 12], 12), draw([21, 6], 13)];
    return grad((w: Tensor) => mean(square(sub(matmul(x, w), y))))(draw([12, 6], 14));
  },
  "an upload": (_, device) =>
    tensor(
      [
        [1, 2],
        [3, Number.POSITIVE_INFINITY],
      ],
      { device },
    ).mul(2),
};

/** The numbers of each case, computed on `device`. */
export async function computeOn(device: Device): Promise<Record<string, number[]>> {
  const draw: Draw = (shape, stream) => normal(shape, { key: 3, stream, device });
  const results: Record<string, number[]> = {};
  for (const [name, run] of Object.entries(cases)) {
    const result = tidy(() => run(draw, device));
    results[name] = Array.from((await result.data()) as Float32Array);
    result.dispose();
  }
  return results;
}
