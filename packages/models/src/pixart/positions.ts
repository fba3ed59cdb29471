import { broadcastTo, concat, type Device, fromData, type Tensor } from "@snoopi/core";

export interface PositionSizes {
  /** Width of a token, a multiple of 4. */
  readonly width: number;
  /** Patches along a side of the pictures the model was trained on. */
  readonly base: number;
  /** Positions are divided by it. */
  readonly interpolationScale: number;
  readonly device: Device;
}

/**
 * Where each patch of a picture is, `[1, h, w, width]` in f32: the first half of the width encodes its column and the second its row, each
 * as `[sin | cos]`. Positions are scaled so that a picture of any size spans `base` patches (diffusers' `get_2d_sincos_pos_embed`).
 */
export function positions(
  [h, w]: readonly [height: number, width: number],
  { width, base, interpolationScale, device }: PositionSizes,
): Tensor {
  const half = width / 2;
  // Rounded where diffusers rounds.
  const at = (i: number, count: number) => Math.fround(Math.fround(i / Math.fround(count / base)) / Math.fround(interpolationScale));
  const places = (count: number) => Array.from({ length: count }, (_, i) => at(i, count));
  const columns = fromData(sincos(places(w), half), { shape: [1, 1, w, half], dtype: "f32", device });
  const rows = fromData(sincos(places(h), half), { shape: [1, h, 1, half], dtype: "f32", device });
  return concat([broadcastTo(columns, [1, h, w, half]), broadcastTo(rows, [1, h, w, half])], { axis: 3 });
}

/** `[sin(x ω) | cos(x ω)]` of each position, with ω from 1 down towards 1/10000, in f64. */
function sincos(places: readonly number[], width: number): Float32Array {
  const half = width / 2;
  const out = new Float32Array(places.length * width);
  places.forEach((x, row) => {
    for (let i = 0; i < half; i++) {
      const angle = x * (1 / 10000 ** (i / half));
      out[row * width + i] = Math.sin(angle);
      out[row * width + half + i] = Math.cos(angle);
    }
  });
  return out;
}
