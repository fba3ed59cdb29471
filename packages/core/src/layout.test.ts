import fc from "fast-check";
import { describe, expect, test } from "vitest";
import { collapsed, dense, expanded, isDense, type Layout, permuted, placesOf, reshaped, sliced, walk } from "./layout.ts";
import { type Shape, sizeOf } from "./shape.ts";

/** Places in storage of all elements in row-major order, by the definition alone. */
function places({ shape, strides, offset }: Layout): number[] {
  return Array.from({ length: sizeOf(shape) }, (_, i) => {
    let [rest, at] = [i, offset];
    for (let axis = shape.length - 1; axis >= 0; axis--) {
      at += (rest % shape[axis]) * strides[axis];
      rest = Math.floor(rest / shape[axis]);
    }
    return at;
  });
}

/** What views of views look like: permuted, sliced with steps, and broadcast. */
const layouts: fc.Arbitrary<Layout> = fc
  .array(
    fc.record({
      length: fc.integer({ min: 0, max: 6 }),
      key: fc.nat(),
      start: fc.nat({ max: 2 }),
      step: fc.integer({ min: 1, max: 2 }),
      repeat: fc.boolean(),
    }),
    { maxLength: 4 },
  )
  .map((axes) => {
    const outer = axes.map(({ length, start, step }) => start + length * step);
    const cut = sliced(
      dense(outer),
      axes.map((a) => a.start),
      axes.map((a) => a.step),
      axes.map((a) => (a.repeat ? 1 : a.length)),
    );
    const order = axes.map((_, i) => i).sort((a, b) => axes[a].key - axes[b].key);
    const seen = permuted(cut, order);
    return expanded(
      seen,
      order.map((i) => axes[i].length || (axes[i].repeat ? 1 : 0)),
    );
  });

/** All ways to write a number as a product of at most four axes. */
function shapesOf(n: number, rank = 4): Shape[] {
  if (rank === 0) return n === 1 ? [[]] : [];
  const found: Shape[] = n === 1 ? [[]] : [];
  for (let d = 1; d <= n; d++)
    if (n % d === 0 && (d > 1 || rank > 2)) for (const rest of shapesOf(n / d, rank - 1)) found.push([d, ...rest]);
  return found;
}

describe("layouts", () => {
  test("walk meets every element in row-major order", () => {
    fc.assert(
      fc.property(layouts, (layout) => {
        const met: number[] = [];
        walk(layout, (i, at) => {
          expect(i).toBe(met.length);
          met.push(at);
        });
        expect(met).toEqual(places(layout));
      }),
      { numRuns: 500, seed: 1 },
    );
  });

  test("a reshaped view shows the same elements, whatever the strides", () => {
    let [views, copies] = [0, 0];
    fc.assert(
      fc.property(layouts, fc.nat(), (layout, pick) => {
        const n = sizeOf(layout.shape);
        const shapes = n === 0 ? [[0], [2, 0], [0, 3, 1]] : shapesOf(n);
        const shape = shapes[pick % shapes.length];
        const view = reshaped(layout, shape);
        if (view) expect(places(view)).toEqual(places(layout));
        if (view) expect(view.shape).toEqual(shape);
        views += view ? 1 : 0;
        copies += view ? 0 : 1;
      }),
      { numRuns: 2000, seed: 1 },
    );
    expect(Math.min(views, copies)).toBeGreaterThan(100);
  });

  test("reshaping copies only where no strides would do", () => {
    fc.assert(
      fc.property(layouts, fc.nat(), (layout, pick) => {
        const n = sizeOf(layout.shape);
        if (n === 0) return;
        const shapes = shapesOf(n);
        const shape = shapes[pick % shapes.length];
        if (reshaped(layout, shape)) return;
        // The strides that a view would need follow from the first step along each axis; they must fail somewhere.
        const want = places(layout);
        const steps = shape.map((d, axis) => (d > 1 ? want[sizeOf(shape.slice(axis + 1))] - want[0] : 0));
        expect(places({ shape, strides: steps, offset: want[0] })).not.toEqual(want);
      }),
      { numRuns: 2000, seed: 2 },
    );
  });

  test("collapsed axes walk the same elements in the same order", () => {
    fc.assert(
      fc.property(layouts, layouts, (a, b) => {
        const { shape } = a;
        const other = { ...dense(shape), offset: 0 };
        for (const second of b.shape.length === shape.length ? [other.strides, b.strides] : [other.strides]) {
          const merged = collapsed(shape, [a.strides, second]);
          expect(places({ shape: merged.shape, strides: merged.strides[0], offset: a.offset })).toEqual(places(a));
          expect(places({ shape: merged.shape, strides: merged.strides[1], offset: 0 })).toEqual(
            places({ shape, strides: second, offset: 0 }),
          );
          expect(merged.shape.length).toBeLessThanOrEqual(Math.max(1, shape.filter((d) => d !== 1).length));
        }
      }),
      { numRuns: 1000, seed: 1 },
    );
    expect(collapsed([2, 3, 4], [[12, 4, 1]])).toEqual({ shape: [24], strides: [[1]] });
    expect(
      collapsed(
        [2, 3, 4],
        [
          [12, 4, 1],
          [0, 4, 1],
        ],
      ),
    ).toEqual({
      shape: [2, 12],
      strides: [
        [12, 1],
        [0, 1],
      ],
    });
    expect(collapsed([1, 1], [[7, 7]])).toEqual({ shape: [1], strides: [[0]] });
  });

  test("dense means one element after the other", () => {
    fc.assert(
      fc.property(layouts, (layout) => {
        const at = places(layout);
        if (at.length > 0) expect(isDense(layout)).toBe(at.every((p, i) => p === layout.offset + i));
      }),
      { numRuns: 1000, seed: 1 },
    );
  });

  test("places of a broadcast are those of NumPy", () => {
    expect(Array.from(placesOf([2, 1], [2, 3]))).toEqual([0, 0, 0, 1, 1, 1]);
    expect(Array.from(placesOf([3], [2, 3]))).toEqual([0, 1, 2, 0, 1, 2]);
    expect(Array.from(placesOf([], [2]))).toEqual([0, 0]);
  });
});
