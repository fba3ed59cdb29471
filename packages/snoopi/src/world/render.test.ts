import { data, keyFromSeed } from "@snoopi/core";
import fc from "fast-check";
import { expect, test } from "vitest";
import { attributeNames, attributeValues } from "./attributes.ts";
import { proportions, rimShare } from "./outline.ts";
import { coverage, render, renderBatch } from "./render.ts";
import { sampleScene } from "./scene.ts";

const key = keyFromSeed(3);
const index = fc.integer({ min: 0, max: 2 ** 40 });

test("a scene depends on its key and index alone, and its picture on the scene", () => {
  expect(render(sampleScene(key, 7))).toEqual(render(sampleScene(key, 7)));
  expect(sampleScene(key, 7)).not.toEqual(sampleScene(key, 8));
  expect(sampleScene(key, 7)).not.toEqual(sampleScene(keyFromSeed(4), 7));
});

test("every number of a picture is between −1 and 1, and the frame is ground", () => {
  fc.assert(
    fc.property(index, (i) => {
      const scene = sampleScene(key, i);
      const picture = render(scene);
      expect(picture.every((v) => v >= -1 && v <= 1)).toBe(true);
      const corner = picture[0];
      for (let at = 0; at < 64; at++)
        expect([picture[at], picture[63 * 64 + at], picture[at * 64], picture[at * 64 + 63]]).toEqual(Array(4).fill(corner));
      expect(corner > 0).toBe(scene.attributes.ground === "white");
    }),
    { numRuns: 60 },
  );
});

test("the pixels covered add up to the shape's area", () => {
  fc.assert(
    fc.property(index, (i) => {
      const { attributes, geometry } = sampleScene(key, i);
      const { shape, fill } = attributes;
      const area = proportions[shape].area * geometry.radius ** 2 * (fill === "hollow" ? rimShare(shape) : 1);
      const covered = coverage(attributes, geometry).reduce((sum, v) => sum + v, 0);
      // Corners are rounded off within a pixel: at most about one pixel for each of a star's ten, twice where hollow.
      expect(Math.abs(covered - area)).toBeLessThan(10);
    }),
    { numRuns: 100 },
  );
});

test("all values of every attribute come equally often", () => {
  const n = 6000;
  const scenes = Array.from({ length: n }, (_, i) => sampleScene(key, i));
  for (const name of attributeNames) {
    for (const value of attributeValues[name]) {
      const p = 1 / attributeValues[name].length;
      const share = scenes.filter(({ attributes }) => attributes[name] === value).length / n;
      // Five standard deviations of the share.
      expect(Math.abs(share - p)).toBeLessThan(5 * Math.sqrt((p * (1 - p)) / n));
    }
  }
});

test("fixed attributes are obeyed, and the others stay as drawn", () => {
  const free = sampleScene(key, 11);
  const fixed = sampleScene(key, 11, { fixed: { shape: "star", ground: "white" } });
  expect(fixed.attributes).toEqual({ ...free.attributes, shape: "star", ground: "white" });
});

test("a batch is its pictures, one after another", async () => {
  const scenes = [0, 1, 2].map((i) => sampleScene(key, i));
  const batch = renderBatch(scenes);
  expect([batch.shape, batch.dtype]).toEqual([[3, 3, 64, 64], "f32"]);
  expect(((await data(batch)) as Float32Array).subarray(12288, 2 * 12288)).toEqual(render(scenes[1]));
});
