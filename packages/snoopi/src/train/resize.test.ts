import { expect, test } from "vitest";
import { resized } from "./resize.ts";

test("pictures become larger by repeating pixels and smaller by means over squares, and other sizes are refused", () => {
  const two = { shape: [1, 1, 2, 2], data: Float32Array.of(1, 2, 3, 4) };
  expect([...resized(two, 4).data]).toEqual([1, 1, 2, 2, 1, 1, 2, 2, 3, 3, 4, 4, 3, 3, 4, 4]);
  expect(resized(resized(two, 4), 2)).toEqual(two);
  expect([...resized(two, 1).data]).toEqual([2.5]);
  expect(() => resized(two, 3)).toThrow("pictures: 2 × 2 cannot become 3 × 3, as neither is a multiple of the other.");
});
