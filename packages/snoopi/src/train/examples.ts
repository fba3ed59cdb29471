import { fillNormal, fillUniform, foldIn, type Key, type Shape, sizeOf } from "@snoopi/core";
import { type Attributes, attributeNames, type Constraint } from "../world/attributes.ts";
import { namingProbability } from "../world/caption.ts";
import { render } from "../world/render.ts";
import { pictureSize, type Scene, sampleScene } from "../world/scene.ts";
import { resized } from "./resize.ts";
import type { Numbers } from "./stage.ts";

// Batches of the tiny world as numbers. Everything is drawn with a key of its own purpose and the step's number.

/** Scenes `first … first + count − 1` of a key. */
export const scenesOf = (key: Key, first: number, count: number): Scene[] =>
  Array.from({ length: count }, (_, i) => sampleScene(key, first + i));

/** Pictures [n, 3, side, side] from −1 to 1: the world's of 64 × 64, {@link resized}. */
export function picturesOf(scenes: readonly Scene[], side: number = pictureSize): Numbers {
  const length = 3 * pictureSize * pictureSize;
  const data = new Float32Array(scenes.length * length);
  for (const [n, scene] of scenes.entries()) render(scene, data.subarray(n * length, (n + 1) * length));
  return resized({ shape: [scenes.length, 3, pictureSize, pictureSize], data }, side);
}

/** The attributes of a picture that its caption, drawn as number `index` of `key`, names. */
export function namedOf(attributes: Attributes, key: Key, index: number): Constraint {
  const u = new Float32Array(attributeNames.length);
  fillUniform(key, 1, u, { start: index * 8 });
  return Object.fromEntries(
    attributeNames.filter((name, i) => u[i] < namingProbability[name]).map((name) => [name, attributes[name]]),
  ) as Constraint;
}

export function normals(shape: Shape, key: Key): Numbers {
  const data = new Float32Array(sizeOf(shape));
  fillNormal(key, 0, data);
  return { shape, data };
}

/** Whole numbers from 0 to below `end`, equally likely. */
export function integers(count: number, end: number, key: Key): Int32Array {
  const u = new Float32Array(count);
  fillUniform(key, 0, u);
  return Int32Array.from(u, (value) => Math.floor(value * end));
}

export function uniforms(count: number, key: Key): Float32Array {
  const u = new Float32Array(count);
  fillUniform(key, 0, u);
  return u;
}

/** The key of a purpose in a step. Purposes are small whole numbers. */
export const stepKey = (key: Key, purpose: number, step: number): Key => foldIn(foldIn(key, purpose), step);
