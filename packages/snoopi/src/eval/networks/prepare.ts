import { clamp, div, floor, OpError, pad, resize, show, slice, sub, type Tensor, tensor } from "@snoopi/core";
import { resizeBicubic } from "@snoopi/models";

// What published scores do to pictures before their networks see them. All begin with bytes, as a PNG holds them.

/** Whose resizing to 299 × 299: clean-fid's, by Pillow's bicubic, or pytorch-fid's, bilinear without antialiasing. */
export type InceptionResize = "clean-fid" | "pytorch-fid";

/** How a CLIP's pictures become square: cropped at the centre, resized as bytes, or padded with black, resized as floats. */
export type ClipFit = "crop" | "pad";

function checkPictures({ rank, shape }: Tensor): void {
  if (rank === 4 && shape[1] === 3) return;
  throw new OpError("features", `pictures are ${show(shape)}, expected [batch, 3, height, width] from −1 to 1`);
}

/** Values from −1 to 1 as whole numbers from 0 to 255. */
const asBytes = (pictures: Tensor): Tensor => clamp(floor(pictures.add(1).mul(127.5).add(0.5)), 0, 255);

/**
 * Pictures `[B, 3, H, W]` from −1 to 1 as Inception for FID takes them, `[B, 3, 299, 299]`. The two differ in their scale, too: clean-fid's
 * is TensorFlow's, (x − 128) / 128, pytorch-fid's 2x / 255 − 1.
 */
export function forInception(pictures: Tensor, { as, side = 299 }: { readonly as: InceptionResize; readonly side?: number }): Tensor {
  checkPictures(pictures);
  const bytes = asBytes(pictures);
  if (as === "pytorch-fid") return resize(bytes.div(255), [side, side], { mode: "bilinear" }).mul(2).sub(1);
  return clamp(resizeBicubic(bytes, [side, side]), 0, 255)
    .sub(128)
    .div(128);
}

const mean = [0.48145466, 0.4578275, 0.40821073];
const deviation = [0.26862954, 0.26130258, 0.27577711];

export interface ClipPictureOptions {
  /** The side of the network's pictures. */
  readonly size: number;
  readonly fit: ClipFit;
  /** Whether values are rounded to bytes first, and by `"crop"` after each direction of resizing. False lets gradients through. Default true. */
  readonly bytes?: boolean;
}

/**
 * Pictures `[B, 3, H, W]` from −1 to 1 as CLIP takes them, `[B, 3, size, size]`: bicubic, then normalised by OpenAI's means and deviations.
 * `"crop"` is open_clip's: the shorter side becomes `size`. `"pad"` is HPSv2's: the longer one does. Squares differ in rounding only.
 */
export function forClip(pictures: Tensor, { size, fit, bytes = true }: ClipPictureOptions): Tensor {
  checkPictures(pictures);
  const values = bytes ? asBytes(pictures) : pictures.add(1).mul(127.5);
  const square = fit === "crop" ? cropped(values, size, bytes) : padded(values, size);
  const perChannel = (numbers: number[]) => tensor(numbers, { device: pictures.device }).reshape([1, 3, 1, 1]);
  return div(sub(square.div(255), perChannel(mean)), perChannel(deviation));
}

function cropped(x: Tensor, size: number, bytes: boolean): Tensor {
  const [, , height, width] = x.shape;
  const shorter = Math.min(height, width);
  // torchvision cuts the longer side down to a whole number.
  const to = [height, width].map((side) => Math.trunc((size * side) / shorter)) as [number, number];
  const resized = resizeBicubic(x, to, { bytes });
  const [top, left] = to.map((side) => nearestEven((side - size) / 2));
  return slice(resized, [null, null, [top, top + size], [left, left + size]]);
}

function padded(x: Tensor, size: number): Tensor {
  const [, , height, width] = x.shape;
  const scale = size / Math.max(height, width);
  const to = [height, width].map((side) => Math.max(1, nearestEven(side * scale))) as [number, number];
  const [down, across] = to.map((side) => size - side);
  const half = (margin: number): [number, number] => [Math.floor(margin / 2), margin - Math.floor(margin / 2)];
  return pad(resizeBicubic(x, to), [[0, 0], [0, 0], half(down), half(across)]);
}

/** Python's `round`: halves to the even neighbour. */
function nearestEven(x: number): number {
  const up = Math.round(x);
  return up - x === 0.5 && up % 2 !== 0 ? up - 1 : up;
}
