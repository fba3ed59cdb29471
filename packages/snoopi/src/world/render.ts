import { type Device, fromData, type Tensor } from "@snoopi/core";
import { type Attributes, groundLevel, palette } from "./attributes.ts";
import { outline, proportions } from "./outline.ts";
import { type Geometry, pictureSize, type Scene } from "./scene.ts";

const pixels = pictureSize * pictureSize;
/** Numbers of one picture. */
const pictureLength = 3 * pixels;

/**
 * How much of each pixel the shape covers, 0 to 1: row by row, 64 × 64. The edge is a ramp one pixel wide, which is the exact share for
 * a straight edge along an axis.
 */
export function coverage(
  { shape, fill }: Pick<Attributes, "shape" | "fill">,
  { x, y, radius, angle }: Geometry,
  out = new Float32Array(pixels),
): Float32Array {
  const distance = outline[shape];
  const half = fill === "hollow" ? (proportions[shape].rim * radius) / 2 : 0;
  const [cos, sin] = [Math.cos(angle), Math.sin(angle)];
  const reach = proportions[shape].reach * radius + 1;
  out.fill(0);
  const [left, right] = span(x, reach);
  const [top, bottom] = span(y, reach);
  for (let row = top; row < bottom; row++) {
    const v = row + 0.5 - y;
    for (let column = left; column < right; column++) {
      const u = column + 0.5 - x;
      let d = distance(cos * u + sin * v, cos * v - sin * u, radius);
      if (half > 0) d = Math.abs(d + half) - half;
      out[row * pictureSize + column] = d <= -0.5 ? 1 : d >= 0.5 ? 0 : 0.5 - d;
    }
  }
  return out;
}

const span = (centre: number, reach: number): [number, number] => [
  Math.max(0, Math.floor(centre - reach)),
  Math.min(pictureSize, Math.ceil(centre + reach)),
];

/** A picture as [3, 64, 64], red, green and blue from −1 to 1, written to `out` where given. */
export function render({ attributes, geometry, tint }: Scene, out: Float32Array = new Float32Array(pictureLength)): Float32Array {
  const covered = coverage(attributes, geometry);
  const ground = groundLevel[attributes.ground] + tint.ground;
  for (let channel = 0; channel < 3; channel++) {
    const colour = palette[attributes.colour][channel] + tint.colour[channel];
    for (let i = 0; i < pixels; i++) out[channel * pixels + i] = 2 * (ground + covered[i] * (colour - ground)) - 1;
  }
  return out;
}

/** Pictures as one tensor, f32 [n, 3, 64, 64] from −1 to 1. */
export function renderBatch(scenes: readonly Scene[], { device }: { readonly device?: Device } = {}): Tensor {
  const all = new Float32Array(scenes.length * pictureLength);
  for (const [i, scene] of scenes.entries()) render(scene, all.subarray(i * pictureLength, (i + 1) * pictureLength));
  return fromData(all, { shape: [scenes.length, 3, pictureSize, pictureSize], dtype: "f32", ...(device && { device }) });
}
