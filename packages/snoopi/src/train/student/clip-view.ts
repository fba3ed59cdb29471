import { add, mul, SnoopiError, type Tensor, tensor } from "@snoopi/core";
import { type JsonObject, resizeBicubic } from "@snoopi/models";

/** What CLIP's preprocessor subtracts from pixels of 0 … 1 and divides them by, for each colour. */
export interface PixelNorm {
  readonly mean: readonly number[];
  readonly std: readonly number[];
}

/** Pixels of −1 … 1 as they are: what `snoopi train clip` learns from. */
export const plainPixels: PixelNorm = { mean: [0.5, 0.5, 0.5], std: [0.5, 0.5, 0.5] };

/** What a preprocessor_config.json says of it. @throws SnoopiError for anything but three numbers each, of which deviations are above 0. */
export function pixelNorm(json: JsonObject, where: string): PixelNorm {
  const three = (key: string, above = -Infinity): readonly number[] => {
    const value = json[key];
    if (Array.isArray(value) && value.length === 3 && value.every((v) => Number.isFinite(v) && v > above)) return value;
    throw new SnoopiError(`${where}: ${key} is ${JSON.stringify(value) ?? "missing"}. Give three numbers${above === 0 ? " above 0" : ""}.`);
  };
  return { mean: three("image_mean"), std: three("image_std", 0) };
}

/**
 * A decoded picture `[B, 3, H, W]` from −1 to 1 as an image tower takes it, `[B, 3, size, size]`: resized if sizes differ, then to 0 … 1
 * and normalised. Gradients flow through.
 *
 * It is resized as CLIP's training and test pictures were, by Pillow's bicubic (OpenAI's `Resize`, open_clip's transform, transformers'
 * `CLIPImageProcessor`), whose cubic has a = −½, aligns pixel centres and widens when shrinking. The papers do not say how they resize, and
 * their training code is not published. PyTorch's `interpolate` is the same with `antialias=True`. Without it a is −¾, and at 512 → 224 the
 * weights of a column's pixels add up to anything from −0.15 to 0.99, here from 0.36 to 0.49; with bilinear, 64 columns have weight 0, so
 * that 23 % of the pixels have no gradient.
 *
 * Unlike there, nothing is rounded to bytes or clipped to 0 … 1, which would have no gradient, and a picture that is not square is
 * squeezed, not cropped, so that all of it is judged.
 */
export function clipView(image: Tensor, { size, norm }: { readonly size: number; readonly norm: PixelNorm }): Tensor {
  const [, , height, width] = image.shape;
  const sized = height === size && width === size ? image : resizeBicubic(image, [size, size]);
  const [factor, shift] = [norm.std.map((s) => 0.5 / s), norm.mean.map((m, i) => (0.5 - m) / norm.std[i])];
  if (factor.every((f) => f === 1) && shift.every((s) => s === 0)) return sized;
  const colours = (values: readonly number[]) => tensor(Float32Array.from(values), { shape: [3, 1, 1], device: image.device });
  return add(mul(sized, colours(factor)), colours(shift));
}
