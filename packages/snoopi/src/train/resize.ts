import { SnoopiError } from "@snoopi/core";
import type { Numbers } from "./stage.ts";

/**
 * Pictures `[n, 3, S, S]` resized to another side: means over squares where it is smaller, repeated pixels where it is larger.
 * @throws SnoopiError unless one side is a multiple of the other.
 */
export function resized(pictures: Numbers, side: number): Numbers {
  const {
    shape: [count, channels, height, width],
    data,
  } = pictures;
  if (height === side && width === side) return pictures;
  const [large, small] = [Math.max(height, side), Math.min(height, side)];
  if (height !== width || large % small !== 0) {
    throw new SnoopiError(
      `pictures: ${width} × ${height} cannot become ${side} × ${side}, as neither is a multiple of the other. Use a model of another size.`,
    );
  }
  const by = large / small;
  const out = new Float32Array(count * channels * side * side);
  const planes = count * channels;
  for (let plane = 0; plane < planes; plane++) {
    for (let row = 0; row < large; row++) {
      for (let column = 0; column < large; column++) {
        const big = plane * large * large + row * large + column;
        const little = plane * small * small + Math.floor(row / by) * small + Math.floor(column / by);
        if (side === large) out[big] = data[little];
        else out[little] += data[big] / (by * by);
      }
    }
  }
  return { shape: [count, channels, side, side], data: out };
}
