import { keyFromSeed } from "@snoopi/core";
import fc from "fast-check";
import { expect, test } from "vitest";
import { attributeNames, attributeValues, type Constraint } from "../../world/attributes.ts";
import type { Judgement } from "../../world/judge.ts";
import { sampleScene } from "../../world/scene.ts";
import type { Floor } from "./floor.ts";
import { emptyTally, mergeTallies, type Tally, tallyOf } from "./tally.ts";

const floor: Floor = { psnr: 20, explained: 0.8 };
const scene = sampleScene(keyFromSeed(1), 0);
const seen = (over: Partial<Judgement> = {}): Judgement => ({
  ...{ attributes: scene.attributes, scene, residual: 0, psnr: 30, explained: 1 },
  ...over,
});

test("a picture counts as right by what its caption names, and as valid by both halves of the floor", () => {
  const { shape, ground } = scene.attributes;
  const other = attributeValues.shape.find((value) => value !== shape)!;
  const of = (judgement: Judgement, constraint: Constraint) => {
    const { right, valid, rightAndValid } = tallyOf(judgement, { constraint, floor });
    return [right, valid, rightAndValid];
  };
  expect(of(seen(), { shape, ground })).toEqual([1, 1, 1]);
  expect(of(seen(), { shape: other })).toEqual([0, 1, 0]);
  expect(of(seen({ psnr: 19.9 }), {})).toEqual([1, 0, 0]);
  expect(of(seen({ explained: 0.79 }), {})).toEqual([1, 0, 0]);
  expect(of(seen({ psnr: 20, explained: 0.8 }), {})).toEqual([1, 1, 1]);
});

test("named attributes count towards accuracy and open ones towards entropy, never both", () => {
  const { named, hits, open } = tallyOf(seen(), { constraint: { size: scene.attributes.size, shape: "star" }, floor });
  expect(named).toEqual({ size: 1, fill: 0, colour: 0, shape: 1, ground: 0 });
  expect(hits.size).toBe(1);
  expect(hits.shape).toBe(scene.attributes.shape === "star" ? 1 : 0);
  const counted = attributeNames.filter((name) => open[name].some((count) => count > 0));
  expect(counted).toEqual(["fill", "colour", "ground"]);
  expect(open.colour.indexOf(1)).toBe(attributeValues.colour.indexOf(scene.attributes.colour));
});

test("what is kept away is lacking exactly where the judge does not see it", () => {
  const { ground } = scene.attributes;
  const away = ground === "black" ? "white" : "black";
  const lacking = (lacks: Constraint) => tallyOf(seen(), { constraint: {}, floor, lacks }).lacking;
  expect([lacking({ ground }), lacking({ ground: away }), tallyOf(seen(), { constraint: {}, floor }).lacking]).toEqual([0, 1, 0]);
});

test("tallies of any parts add up to that of the whole", () => {
  const one = fc
    .record({ index: fc.nat(200), psnr: fc.integer({ min: 0, max: 40 }), likeness: fc.integer({ min: -4, max: 4 }) })
    // Halves and quarters add up without rounding.
    .map(({ index, psnr, likeness }) => {
      const { attributes } = sampleScene(keyFromSeed(2), index);
      return tallyOf(seen({ attributes, psnr }), {
        constraint: { size: "small" },
        floor,
        lacks: { ground: "black" },
        likeness: likeness / 4,
      });
    });
  const total = (parts: readonly Tally[]) => parts.reduce(mergeTallies, emptyTally());
  fc.assert(
    fc.property(fc.array(one, { maxLength: 12 }), fc.nat(12), (all, at) => {
      expect(mergeTallies(total(all.slice(0, at)), total(all.slice(at)))).toEqual(total(all));
    }),
  );
});
