import { clamp, type Device, floor, fromData, linear, OpError, show, type Tensor, transpose } from "@snoopi/core";

/** Keys' cubic with a = −½, at a distance in pixels of the smaller picture. */
function cubic(distance: number): number {
  const [x, a] = [Math.abs(distance), -0.5];
  if (x < 1) return ((a + 2) * x - (a + 3)) * x * x + 1;
  return x < 2 ? (((x - 5) * x + 8) * x - 4) * a : 0;
}

/** Weight of each of `from` input pixels in each of `to` output pixels: `[to, from]`, rows sum to 1. */
function bicubicWeights(from: number, to: number): Float32Array {
  const weights = new Float32Array(to * from);
  const scale = from / to;
  const stretch = Math.max(scale, 1);
  for (let i = 0; i < to; i++) {
    const centre = (i + 0.5) * scale;
    const first = Math.max(0, Math.trunc(centre - 2 * stretch + 0.5));
    const end = Math.min(from, Math.trunc(centre + 2 * stretch + 0.5));
    const row = Array.from({ length: end - first }, (_, j) => cubic((first + j - centre + 0.5) / stretch));
    const sum = row.reduce((total, weight) => total + weight, 0);
    for (const [j, weight] of row.entries()) weights[i * from + first + j] = weight / sum;
  }
  return weights;
}

export interface BicubicOptions {
  /** Rounds to whole numbers from 0 to 255 after each direction, as Pillow does with bytes. Default false. */
  readonly bytes?: boolean;
}

/**
 * Resizes `x [B, C, H, W]`. When shrinking, the cubic is stretched so that no pixel is skipped: Pillow's bicubic, and PyTorch's
 * `interpolate` with `antialias=True`. Horizontally first, then vertically. It can overshoot.
 */
export function resizeBicubic(x: Tensor, [height, width]: readonly [h: number, w: number], { bytes = false }: BicubicOptions = {}): Tensor {
  if (x.rank !== 4) throw new OpError("resizeBicubic", `expected [B, C, H, W], got ${show(x.shape)}`);
  if (![height, width].every((side) => Number.isInteger(side) && side >= 1)) {
    throw new OpError("resizeBicubic", `the size is ${show([height, width])}, expected whole numbers ≥ 1`);
  }
  const [, , rows, columns] = x.shape;
  const settled = (y: Tensor) => (bytes ? clamp(floor(y.add(0.5)), 0, 255) : y);
  const wide = columns === width ? undefined : weightsOn(x.device, columns, width);
  // A square needs one matrix for both: for 512 × 512 to 224 × 224 it takes 459 kB, which a captured program holds for each call.
  const square = rows === columns && height === width;
  const high = square ? wide : rows === height ? undefined : weightsOn(x.device, rows, height);
  const across = (y: Tensor, weights: Tensor | undefined) => (weights ? settled(linear(y, weights)) : y);
  return transpose(across(transpose(across(x, wide)), high));
}

const weightsOn = (device: Device, from: number, to: number): Tensor =>
  fromData(bicubicWeights(from, to), { shape: [to, from], dtype: "f32", device });
