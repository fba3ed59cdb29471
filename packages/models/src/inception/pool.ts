import { add, fromData, maximum, mul, pad, slice, type Tensor } from "@snoopi/core";

/** Three neighbours along an axis of `[B, C, H, W]`, every `step`-th triple: first, middle and last, as views. */
function triples(x: Tensor, axis: 2 | 3, step = 1): [Tensor, Tensor, Tensor] {
  const length = x.shape[axis];
  const from = (start: number): Tensor =>
    slice(
      x,
      x.shape.map((_, a) => (a === axis ? [start, length - 2 + start, step] : null)),
    );
  return [from(0), from(1), from(2)];
}

const around = (x: Tensor): Tensor =>
  pad(x, [
    [0, 0],
    [0, 0],
    [1, 1],
    [1, 1],
  ]);

const overBoth = (x: Tensor, step: number, combine: (a: Tensor, b: Tensor) => Tensor): Tensor =>
  ([2, 3] as const).reduce((h, axis) => {
    const [first, middle, last] = triples(h, axis, step);
    return combine(combine(first, middle), last);
  }, x);

/** Max pool, 3 × 3 with stride 2: `[B, C, H, W] → [B, C, ⌊(H − 1)/2⌋, ⌊(W − 1)/2⌋]`. */
export const maxPoolHalf = (x: Tensor): Tensor => overBoth(x, 2, maximum);

/** Max pool, 3 × 3 at the same size. `x` comes from a ReLU: zeros around it are as good as −∞. */
export const maxPoolSame = (x: Tensor): Tensor => overBoth(around(x), 1, maximum);

/** Mean pool, 3 × 3 at the same size. The padding is not counted, as in TensorFlow. */
export function averagePool(x: Tensor): Tensor {
  const [, , height, width] = x.shape;
  const inside = (length: number, i: number): number => Math.min(i + 1, length - 1) - Math.max(i - 1, 0) + 1;
  const shares = Float32Array.from({ length: height * width }, (_, at) => {
    const [row, column] = [Math.floor(at / width), at % width];
    return 1 / (inside(height, row) * inside(width, column));
  });
  return mul(overBoth(around(x), 1, add), fromData(shares, { shape: [1, 1, height, width], dtype: "f32", device: x.device }));
}
