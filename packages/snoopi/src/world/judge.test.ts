import { fillNormal, keyFromSeed } from "@snoopi/core";
import { expect, test } from "vitest";
import { attributeNames } from "./attributes.ts";
import { judge } from "./judge.ts";
import { render } from "./render.ts";
import { pictureSize, type Scene, sampleScene } from "./scene.ts";

const key = keyFromSeed(5);
const scenes = (count: number) => Array.from({ length: count }, (_, i) => sampleScene(key, i));
const readRight = (scene: Scene, picture: Float32Array) => {
  const { attributes } = judge(picture);
  return attributeNames.every((name) => attributes[name] === scene.attributes[name]);
};
const accuracy = (all: readonly Scene[], spoil: (picture: Float32Array, index: number) => Float32Array) =>
  all.filter((scene, i) => readRight(scene, spoil(render(scene), i))).length / all.length;

function noisy(picture: Float32Array, index: number, deviation: number): Float32Array {
  const noise = new Float32Array(picture.length);
  fillNormal(key, 7, noise, { start: index * picture.length });
  return picture.map((v, i) => Math.min(1, Math.max(-1, v + deviation * noise[i])));
}

/** The mean of each pixel's neighbourhood of 3 × 3. */
function blurred(picture: Float32Array): Float32Array {
  const last = pictureSize - 1;
  return picture.map((_, i) => {
    const [plane, row, column] = [i - (i % pictureSize ** 2), Math.floor((i % pictureSize ** 2) / pictureSize), i % pictureSize];
    let sum = 0;
    for (const r of [row - 1, row, row + 1])
      for (const c of [column - 1, column, column + 1])
        sum += picture[plane + Math.min(last, Math.max(0, r)) * pictureSize + Math.min(last, Math.max(0, c))];
    return sum / 9;
  });
}

test("the judge reads every attribute of 500 clean pictures, and redraws each", () => {
  const all = scenes(500);
  const judged = all.map((scene) => judge(render(scene)));
  expect(judged.map(({ attributes }) => attributes)).toEqual(all.map(({ attributes }) => attributes));
  // The fit stops within some hundredths of a pixel of the truth: measured, the worst picture is 52 dB.
  expect(Math.min(...judged.map(({ psnr }) => psnr))).toBeGreaterThan(45);
  expect(Math.min(...judged.map(({ explained }) => explained))).toBeGreaterThan(0.99);
}, 30_000);

// Measured on 200: 1, 0.985, 1 and 1. Three pictures of 60 are two standard deviations below 0.985.
test("noise and blur that a person sees through do not deceive the judge", () => {
  const all = scenes(60);
  expect(accuracy(all, (picture, i) => noisy(picture, i, 0.1))).toBeGreaterThanOrEqual(0.98);
  expect(accuracy(all, (picture, i) => noisy(picture, i, 0.2))).toBeGreaterThanOrEqual(0.95);
  expect(accuracy(all, blurred)).toBeGreaterThanOrEqual(0.98);
  expect(accuracy(all, (picture) => blurred(blurred(picture)))).toBeGreaterThanOrEqual(0.97);
}, 30_000);

test("a picture that no scene makes is not explained by its redrawing", () => {
  const empty = new Float32Array(3 * pictureSize ** 2).fill(-0.88);
  const two = render(scenes(1)[0]).map((v, i) => (i % pictureSize < pictureSize / 2 ? v : -v));
  const noise = new Float32Array(empty.length);
  fillNormal(key, 9, noise);
  for (const picture of [empty, two, noise]) expect(judge(picture).explained).toBeLessThan(0.5);
});

test("residual and psnr say the same", () => {
  const { residual, psnr } = judge(blurred(render(scenes(1)[0])));
  expect(psnr).toBeCloseTo(20 * Math.log10(2 / residual), 10);
});

test("what is no picture is refused", () => {
  expect(() => judge(new Float32Array(7))).toThrow("judge: the picture has 7 numbers. Pass [3, 64, 64], 12288.");
  const picture = new Float32Array(12288);
  picture[4] = Number.NaN;
  expect(() => judge(picture)).toThrow("judge: number 4 of the picture is NaN. Pass finite numbers from −1 to 1.");
});
