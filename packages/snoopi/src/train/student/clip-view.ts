import { add, mean, mul, reshape, resize, type Tensor, tensor } from "@snoopi/core";

/** What CLIP's preprocessor takes from pixels of 0 … 1 and divides them by, for each colour. */
export interface PixelNorm {
  readonly mean: readonly number[];
  readonly std: readonly number[];
}

/** Pixels of −1 … 1 as they are: what `snoopi train clip` learns from. */
export const plainPixels: PixelNorm = { mean: [0.5, 0.5, 0.5], std: [0.5, 0.5, 0.5] };

/**
 * A decoded picture `[B, 3, H, W]` from −1 to 1 as an image tower takes it, `[B, 3, size, size]`: resized, where sizes differ, by means over
 * squares if it is a whole multiple and bilinearly else, then to 0 … 1 and normalised. Gradients flow through.
 */
export function clipView(image: Tensor, { size, norm }: { readonly size: number; readonly norm: PixelNorm }): Tensor {
  const sized = resized(image, size);
  const [factor, shift] = [norm.std.map((s) => 0.5 / s), norm.mean.map((m, i) => (0.5 - m) / norm.std[i])];
  if (factor.every((f) => f === 1) && shift.every((s) => s === 0)) return sized;
  const colours = (values: readonly number[]) => tensor(Float32Array.from(values), { shape: [3, 1, 1], device: image.device });
  return add(mul(sized, colours(factor)), colours(shift));
}

function resized(image: Tensor, size: number): Tensor {
  const [batch, channels, height, width] = image.shape;
  if (height === size && width === size) return image;
  if (height % size === 0 && width % size === 0) {
    return mean(reshape(image, [batch, channels, size, height / size, size, width / size]), { axis: [3, 5] });
  }
  return resize(image, [size, size], { mode: "bilinear" });
}
