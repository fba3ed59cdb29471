import { type Attributes, attributeValues, palette } from "./attributes.ts";
import { jitter, pictureSize } from "./scene.ts";

const pixels = pictureSize * pictureSize;

export type Rgb = readonly [number, number, number];

/** A picture as a mix of two colours, and how much of the second each pixel has. */
export interface TwoColours {
  /** Red, green and blue on a scale of 0 to 1. */
  readonly ground: Rgb;
  /** The name of the figure's colour. */
  readonly colour: Attributes["colour"];
  /** 64 × 64, 0 for all ground, 1 for all figure; noise may go beyond. */
  readonly covered: Float32Array;
}

/** Values of the picture lie from −1 to 1. */
const at = (picture: Float32Array, channel: number, i: number) => (picture[channel * pixels + i] + 1) / 2;

/** The ground is the median of the frame three pixels wide; the figure is the palette's colour for what differs from it most. */
export function twoColours(picture: Float32Array): TwoColours {
  const ground = [0, 1, 2].map((channel) => median(frame.map((i) => at(picture, channel, i)))) as unknown as Rgb;
  const away = Float32Array.from({ length: pixels }, (_, i) => {
    let square = 0;
    for (let channel = 0; channel < 3; channel++) square += (at(picture, channel, i) - ground[channel]) ** 2;
    return Math.sqrt(square);
  });
  // The smallest shape covers some 75 pixels: the 40th furthest pixel is figure, not an outlier.
  const far = [...away].sort((a, b) => b - a)[40];
  const figure = [0, 0, 0];
  let count = 0;
  for (let i = 0; i < pixels; i++) {
    if (away[i] < 0.8 * far) continue;
    count++;
    for (let channel = 0; channel < 3; channel++) figure[channel] += at(picture, channel, i);
  }
  const mean = figure.map((total) => total / count) as unknown as Rgb;
  const colour = colourOf(mean, ground);
  // Blur pales a thin figure, so its mean colour is clamped to within a tint of the palette's before coverage is measured.
  const likely = mean.map((v, channel) => {
    const [low, high] = [palette[colour][channel] - jitter.tint, palette[colour][channel] + jitter.tint];
    return Math.min(high, Math.max(low, v));
  }) as unknown as Rgb;
  return { ground, colour, covered: mixed(picture, ground, likely) };
}

/** The colour whose direction from the ground is nearest to the figure's, which stays the same when the figure is paled. */
export function colourOf(figure: Rgb, ground: Rgb): Attributes["colour"] {
  const cosine = (name: Attributes["colour"]) => {
    const line = palette[name].map((v, channel) => v - ground[channel]);
    return line.reduce((sum, v, channel) => sum + v * (figure[channel] - ground[channel]), 0) / Math.hypot(...line);
  };
  return attributeValues.colour.reduce((best, name) => (cosine(name) > cosine(best) ? name : best));
}

/** Each pixel's position on the line from ground to figure. */
function mixed(picture: Float32Array, ground: Rgb, figure: Rgb): Float32Array {
  const line = figure.map((v, channel) => v - ground[channel]);
  const square = line.reduce((sum, v) => sum + v * v, 0);
  const covered = new Float32Array(pixels);
  for (let i = 0; i < pixels; i++) {
    let along = 0;
    for (let channel = 0; channel < 3; channel++) along += (at(picture, channel, i) - ground[channel]) * line[channel];
    covered[i] = Math.min(1.5, Math.max(-0.5, along / (square + 1e-9)));
  }
  return covered;
}

/** The two colours that explain the picture best, by least squares, given each pixel's share of the figure. */
export function coloursGiven(picture: Float32Array, covered: Float32Array): { readonly ground: Rgb; readonly figure: Rgb } {
  let [ff, fg, gg] = [0, 0, 0];
  for (const c of covered) {
    ff += c * c;
    fg += c * (1 - c);
    gg += (1 - c) * (1 - c);
  }
  const determinant = ff * gg - fg * fg;
  const solved = [0, 1, 2].map((channel) => {
    let [f, g] = [0, 0];
    for (let i = 0; i < pixels; i++) {
      f += covered[i] * at(picture, channel, i);
      g += (1 - covered[i]) * at(picture, channel, i);
    }
    return { figure: (f * gg - g * fg) / determinant, ground: (g * ff - f * fg) / determinant };
  });
  return { figure: solved.map(({ figure }) => figure) as unknown as Rgb, ground: solved.map(({ ground }) => ground) as unknown as Rgb };
}

const width = 3;
const frame = Array.from({ length: pixels }, (_, i) => i).filter((i) => {
  const [row, column] = [Math.floor(i / pictureSize), i % pictureSize];
  return Math.min(row, column, pictureSize - 1 - row, pictureSize - 1 - column) < width;
});

function median(values: number[]): number {
  const sorted = values.sort((a, b) => a - b);
  return sorted[sorted.length >> 1];
}
