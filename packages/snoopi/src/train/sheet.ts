import { SnoopiError } from "@snoopi/core";
import type { Picture } from "../pipeline/generate.ts";
import type { Numbers } from "./stage.ts";

const gap = 2;
const paper = 0x80;

/** Pictures of one size side by side, row by row, with a grey line between them. */
export function contactSheet(pictures: readonly Picture[], columns: number): Picture {
  const [first] = pictures;
  if (!first) throw new SnoopiError("contact sheet: there are no pictures. Pass at least 1.");
  const { width, height } = first;
  const rows = Math.ceil(pictures.length / columns);
  const across = columns * (width + gap) - gap;
  const down = rows * (height + gap) - gap;
  const data = new Uint8Array(across * down * 3).fill(paper);
  for (const [i, picture] of pictures.entries()) {
    if (picture.width !== width || picture.height !== height) {
      throw new SnoopiError(`contact sheet: picture ${i} is ${picture.width} × ${picture.height} and the first ${width} × ${height}.`);
    }
    const [left, top] = [(i % columns) * (width + gap), Math.floor(i / columns) * (height + gap)];
    for (let row = 0; row < height; row++) {
      data.set(picture.data.subarray(row * width * 3, (row + 1) * width * 3), ((top + row) * across + left) * 3);
    }
  }
  return { width: across, height: down, data };
}

/** Pictures [n, 3, h, w] from −1 to 1 as bytes. */
export function pixelsOf({ shape: [count, , height, width], data }: Numbers): Picture[] {
  const plane = height * width;
  return Array.from({ length: count }, (_, n) => {
    const bytes = new Uint8Array(plane * 3);
    for (let i = 0; i < plane * 3; i++) {
      const value = data[n * plane * 3 + (i % 3) * plane + Math.floor(i / 3)];
      bytes[i] = Math.round(Math.min(Math.max(value / 2 + 0.5, 0), 1) * 255);
    }
    return { width, height, data: bytes };
  });
}
