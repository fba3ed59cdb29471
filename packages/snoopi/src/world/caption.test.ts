import { keyFromSeed } from "@snoopi/core";
import { expect, test } from "vitest";
import { attributeNames, satisfies } from "./attributes.ts";
import { captionIndex, captionOf, captions, constraints, namingProbability, parseCaption, sampleExample } from "./caption.ts";

test("there are 945 captions, all different, and each says its constraint and no more", () => {
  expect(new Set(captions).size).toBe(945);
  expect(captions.map(parseCaption)).toEqual(constraints);
  expect(constraints.map(captionIndex)).toEqual(constraints.map((_, i) => i));
});

test.each([
  [{}, "a shape"],
  [{ colour: "orange", shape: "star" }, "an orange star"],
  [{ size: "small", colour: "orange" }, "a small orange shape"],
  [{ size: "large", fill: "hollow", colour: "blue", shape: "circle", ground: "white" }, "a large hollow blue circle on a white background"],
] as const)("%j reads as a person would say it", (constraint, caption) => {
  expect(captionOf(constraint)).toBe(caption);
});

test("case, spaces, the article's n and a full stop do not matter", () => {
  expect(parseCaption("  An Small  RED star on a black background. ")).toEqual({
    size: "small",
    colour: "red",
    shape: "star",
    ground: "black",
  });
});

test.each(["", "star", "a red", "a red small star", "a pink star", "a star on a red background", "two stars"])(
  "%j is refused",
  (caption) => {
    expect(() => parseCaption(caption)).toThrow(`parseCaption: ${JSON.stringify(caption)} is no caption of the tiny world. Write it like`);
  },
);

test("a sampled caption tells the truth of its picture, and names each attribute as often as meant", () => {
  const n = 4000;
  const key = keyFromSeed(1);
  const examples = Array.from({ length: n }, (_, i) => sampleExample(key, i));
  for (const { scene, constraint, caption } of examples) {
    expect(satisfies(scene.attributes, constraint)).toBe(true);
    expect(parseCaption(caption)).toEqual(constraint);
  }
  for (const name of attributeNames) {
    const p = namingProbability[name];
    const share = examples.filter(({ constraint }) => constraint[name] !== undefined).length / n;
    expect(Math.abs(share - p)).toBeLessThan(5 * Math.sqrt((p * (1 - p)) / n));
  }
});
