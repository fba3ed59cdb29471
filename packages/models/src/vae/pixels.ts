import { OpError, SnoopiError, show, type Tensor } from "@snoopi/core";

/** 8-bit RGB: `height × width × 3` bytes, row by row from the top. */
export interface Pixels {
  readonly width: number;
  readonly height: number;
  readonly data: Uint8Array;
}

/**
 * Decoded images `[B, 3, H, W]`, −1 black and 1 white, as bytes: `255 · clamp(y/2 + ½, 0, 1)`, rounded to the nearest and halves to even,
 * in f32 as diffusers and NumPy compute it. Throws when a value is not a number: it would silently become a black pixel.
 */
export async function toPixels(image: Tensor): Promise<Pixels[]> {
  const [batch, channels, height, width] = image.shape;
  if (image.rank !== 4 || channels !== 3) throw new OpError("toPixels", `expected [batch, 3, height, width], got ${show(image.shape)}`);
  const values = await image.data();
  let wrong = 0;
  for (const value of values) if (Number.isNaN(value)) wrong++;
  if (wrong > 0) {
    throw new SnoopiError(`toPixels: ${wrong} of ${values.length} values are not numbers. The model overflowed: load its weights as f32.`);
  }
  const plane = height * width;
  return Array.from({ length: batch }, (_, b) => {
    const data = new Uint8Array(plane * 3);
    for (let c = 0; c < 3; c++) {
      const from = (b * 3 + c) * plane;
      for (let i = 0; i < plane; i++) data[i * 3 + c] = toByte(values[from + i]);
    }
    return { width, height, data };
  });
}

/** Half-way values go to the even neighbour, as in NumPy; Math.round sends them up. */
export function toByte(y: number): number {
  const p = Math.min(Math.max(Math.fround(Math.fround(y / 2) + 0.5), 0), 1);
  const exact = Math.fround(p * 255);
  const rounded = Math.round(exact);
  return rounded - exact === 0.5 && rounded % 2 === 1 ? rounded - 1 : rounded;
}
