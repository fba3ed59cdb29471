import { fillUniform, type Key } from "@snoopi/core";
import { type Attributes, attributeValues } from "./attributes.ts";
import { proportions } from "./outline.ts";

/** The side of a picture in pixels. */
export const pictureSize = 64;

/** Where a shape is: its centre and radius in pixels with y down, and its turn in radians, clockwise. */
export interface Geometry {
  readonly x: number;
  readonly y: number;
  readonly radius: number;
  readonly angle: number;
}

/** All that a picture is drawn from. */
export interface Scene {
  readonly attributes: Attributes;
  readonly geometry: Geometry;
  /** Added to red, green and blue of the shape's colour, and to the ground's level, on a scale of 0 to 1. */
  readonly tint: { readonly colour: readonly [number, number, number]; readonly ground: number };
}

export const radii: Readonly<Record<Attributes["size"], readonly [number, number]>> = { small: [8, 11], large: [17, 23] };
/** The largest turn, offset from the picture's centre along an axis, and tint, in either direction. */
export const jitter = { angle: 0.12, offset: 4, tint: 0.04 } as const;
/** Pixels that stay free around a shape. */
const margin = 0.5;

const draws = 16;

/**
 * Scene `index` of the endless sequence that `key` names: every value of every attribute equally often, and independently. It depends on
 * the key and the index alone. `fixed` attributes are as given; all random numbers are the same as without.
 */
export function sampleScene(key: Key, index: number, { fixed = {} }: { readonly fixed?: Partial<Attributes> } = {}): Scene {
  const u = new Float32Array(draws);
  fillUniform(key, 0, u, { start: index * draws });
  const pick = <V>(values: readonly V[], at: number) => values[Math.floor(u[at] * values.length)];
  const { size, fill, colour, shape, ground } = attributeValues;
  const drawn = { size: pick(size, 0), fill: pick(fill, 1), colour: pick(colour, 2), shape: pick(shape, 3), ground: pick(ground, 4) };
  const attributes: Attributes = { ...drawn, ...fixed };
  const around = (at: number) => 2 * u[at] - 1;
  const [least, most] = radii[attributes.size];
  const radius = least + (most - least) * u[5];
  const middle = pictureSize / 2;
  const roam = Math.min(jitter.offset, middle - margin - proportions[attributes.shape].reach * radius);
  return {
    attributes,
    geometry: { x: middle + roam * around(6), y: middle + roam * around(7), radius, angle: jitter.angle * around(8) },
    tint: {
      colour: [jitter.tint * around(9), jitter.tint * around(10), jitter.tint * around(11)],
      ground: jitter.tint * around(12),
    },
  };
}
