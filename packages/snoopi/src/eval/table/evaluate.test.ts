import { keyFromSeed } from "@snoopi/core";
import { expect, test } from "vitest";
import { picturesOf } from "../../train/examples.ts";
import { resized } from "../../train/resize.ts";
import { render } from "../../world/render.ts";
import { sampleScene } from "../../world/scene.ts";
import type { Cell } from "./cell.ts";
import { type CellState, type Extractor, emptyState, evaluate, type Painter } from "./evaluate.ts";
import { figuresOf, type Reference } from "./figures.ts";

// A "model" that draws the truth, and ones that do not.

const cell: Cell = {
  name: "truth",
  source: { by: "render", model: "none", noise: 0 },
  prompts: "captions",
  pictures: 48,
  seed: 3,
  features: true,
};
const floor = { psnr: 25, explained: 0.9 };
const draws: Painter = async (_, { scenes }) => picturesOf(scenes);

/** Means over squares of 32 × 32: twelve numbers a picture. */
const extractor: Extractor = {
  about: "means",
  origin: "none",
  async look(pictures) {
    const { data, shape } = resized(pictures, 2);
    return { features: { data: data as Float32Array, shape: [shape[0], 12] } };
  },
};
const options = { paint: draws, extractor, floor, batch: 16 };
const referenceOf = ({ moments, rows }: CellState): Reference => ({ moments, rows });

test("a model that draws the truth has fidelity 1, validity 1 and no distance from the world", async () => {
  const state = await evaluate(cell, options);
  const figures = figuresOf(cell, state, referenceOf(state));
  expect([figures.pictures, figures.fidelity, figures.valid, figures.both]).toEqual([48, 1, 1, 1]);
  expect(Object.values(figures.attributes)).toEqual([1, 1, 1, 1, 1]);
  // The same pictures on both sides: what is left is rounding of traces near 1 in f64.
  expect(figures.frechet).toBeLessThan(1e-9);
  expect([figures.precision, figures.recall]).toEqual([1, 1]);
  expect(figures.entropy).toBeGreaterThan(0.9);
});

test("other pictures of the world lie nearer to it than noisy ones", async () => {
  const reference = referenceOf(await evaluate({ ...cell, seed: 11 }, options));
  const own = figuresOf(cell, await evaluate(cell, options), reference);
  const noisy: Painter = async (_, { scenes }, first) => {
    const pictures = picturesOf(scenes);
    return { ...pictures, data: pictures.data.map((v, i) => v * 0.5 + ((first + i) % 7 === 0 ? 0.9 : 0)) as Float32Array };
  };
  const bad = figuresOf(cell, await evaluate(cell, { ...options, paint: noisy }), reference);
  expect(own.frechet! * 5).toBeLessThan(bad.frechet!);
  expect([own.valid, bad.valid]).toEqual([1, 0]);
});

test("a model that draws one scene whatever is asked has no fidelity beyond chance and no entropy", async () => {
  const scene = sampleScene(keyFromSeed(5), 0);
  const always: Painter = async (_, { prompts }) => ({
    shape: [prompts.length, 3, 64, 64],
    data: Float32Array.from(prompts.flatMap(() => [...render(scene)])),
  });
  const state = await evaluate(cell, { ...options, paint: always });
  const { fidelity, valid, entropy } = figuresOf(cell, state, referenceOf(await evaluate(cell, options)));
  expect(fidelity).toBeLessThan(0.5);
  expect([valid, entropy]).toEqual([1, 0]);
});

test("a run that is stopped after each batch and goes on ends with the same bits", async () => {
  const whole = await evaluate(cell, options);
  let state = emptyState();
  for (let runs = 0; state.tally.pictures < cell.pictures; runs++) {
    const controller = new AbortController();
    const { signal } = controller;
    state = await evaluate(cell, { ...options, from: state, signal, onBatch: () => controller.abort() });
    expect(state.tally.pictures).toBe(16 * (runs + 1));
  }
  expect(state).toEqual(whole);
});

test("what is made of a picture does not depend on the batch it is in", async () => {
  const [few, many] = [await evaluate(cell, { ...options, batch: 7 }), await evaluate(cell, { ...options, batch: 48 })];
  expect(few.tally).toEqual(many.tally);
  expect(few.rows).toEqual(many.rows);
});

test.each([Number.NaN, Number.POSITIVE_INFINITY])(
  "pictures that hold %s are refused by their number, before an extractor sees them",
  async (v) => {
    const broken: Painter = async (_, { prompts }) => ({
      shape: [prompts.length, 3, 64, 64],
      data: new Float32Array(prompts.length * 12288).fill(v, 12288),
    });
    const misled: Extractor = { ...extractor, look: () => Promise.reject(new Error("cosines: the image is all zeros")) };
    await expect(evaluate(cell, { ...options, extractor: misled, paint: broken })).rejects.toThrow(
      "eval: picture 1 of truth has values that are not finite. The model overflowed: try --device cpu.",
    );
  },
);
