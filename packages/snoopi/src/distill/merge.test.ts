import { leaves, normal, realize, type Tensor } from "@snoopi/core";
import fc from "fast-check";
import { expect, test } from "vitest";
import { mergeStudents } from "./merge.ts";

const values = async (t: Tensor) => [...(await t.data())];
const a = new Map([["w", normal([3], { key: 1 })]]);
const b = new Map([["w", normal([3], { key: 2 })]]);
await realize(leaves([a, b]));

test("a merge is λ·a + (1 − λ)·b, half and half unless told", async () => {
  const [x, y] = await Promise.all([a, b].map((m) => values(m.get("w")!)));
  await fc.assert(
    fc.asyncProperty(fc.double({ min: 0, max: 1, noNaN: true }), async (lambda) => {
      const merged = await values(mergeStudents(a, b, { lambda }).get("w")!);
      // Numbers below 4, three roundings.
      merged.forEach((v, i) => {
        expect(Math.abs(v - (lambda * x[i] + (1 - lambda) * y[i]))).toBeLessThan(12 * 2 ** -23);
      });
    }),
  );
  expect(await values(mergeStudents(a, b).get("w")!)).toEqual(await values(mergeStudents(b, a).get("w")!));
});

test("a merge keeps the first student's type", () => {
  const half = new Map([["w", a.get("w")!.to("f16")]]);
  expect(mergeStudents(half, b).get("w")!.dtype).toBe("f16");
});

test("students of two forms are not merged", () => {
  expect(() => mergeStudents(a, new Map())).toThrow('merge: only the first student has "w".');
  expect(() => mergeStudents(new Map(), b)).toThrow('merge: only the second student has "w".');
  expect(() => mergeStudents(a, new Map([["w", normal([2], { key: 1 })]]))).toThrow('"w" is [3] in one and [2] in the other');
});
