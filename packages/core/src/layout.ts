import { type Shape, sizeOf, stridesOf } from "./shape.ts";

/** Where the elements of a tensor lie in its storage: element `[i, j, …]` is at `offset + i·strides[0] + j·strides[1] + …`. */
export interface Layout {
  readonly shape: Shape;
  readonly strides: readonly number[];
  readonly offset: number;
}

export const dense = (shape: Shape): Layout => ({ shape, strides: stridesOf(shape), offset: 0 });

/** Without gaps, with the axes in this order from the slowest to the fastest. */
export function laidIn(order: readonly number[], shape: Shape): Layout {
  const { strides } = dense(order.map((axis) => shape[axis]));
  return { shape, strides: shape.map((_, axis) => strides[order.indexOf(axis)]), offset: 0 };
}

/** Row-major without gaps, wherever it starts. Axes of length one may have any stride. */
export function isDense({ shape, strides }: Layout): boolean {
  for (let i = shape.length - 1, step = 1; i >= 0; i--) {
    if (shape[i] !== 1 && strides[i] !== step) return false;
    step *= shape[i];
  }
  return true;
}

/** The same elements seen with another shape, or undefined where that needs a copy. */
export function reshaped(layout: Layout, shape: Shape): Layout | undefined {
  if (isDense(layout)) return { shape, strides: stridesOf(shape), offset: layout.offset };
  if (sizeOf(shape) === 0) return { ...dense(shape), offset: layout.offset };
  // Walk both shapes from the right, matching groups of axes of equal size; within a group the old strides must nest.
  const strides = new Array<number>(shape.length).fill(1);
  let i = layout.shape.length - 1;
  let j = shape.length - 1;
  while (i >= 0 || j >= 0) {
    let [from, to] = [i >= 0 ? layout.shape[i] : 1, j >= 0 ? shape[j] : 1];
    let [fromStart, toStart] = [i, j];
    while (from !== to) {
      if (from < to) from *= layout.shape[--fromStart];
      else to *= shape[--toStart];
    }
    let step: number | undefined;
    for (let axis = i; axis >= Math.max(fromStart, 0); axis--) {
      if (layout.shape[axis] === 1) continue;
      step ??= layout.strides[axis];
      if (layout.strides[axis] !== step * innerSize(layout.shape, axis, i)) return undefined;
    }
    let inner = step ?? 1;
    for (let axis = j; axis >= Math.max(toStart, 0); axis--) {
      strides[axis] = inner;
      inner *= shape[axis];
    }
    i = fromStart - 1;
    j = toStart - 1;
  }
  return { shape, strides, offset: layout.offset };
}

const innerSize = (shape: Shape, axis: number, last: number): number => sizeOf(shape.slice(axis + 1, last + 1));

export const permuted = (layout: Layout, order: readonly number[]): Layout => ({
  shape: order.map((axis) => layout.shape[axis]),
  strides: order.map((axis) => layout.strides[axis]),
  offset: layout.offset,
});

/** Stride 0 along every axis that `layout` broadcasts to reach `shape`. */
export function expanded(layout: Layout, shape: Shape): Layout {
  const lead = shape.length - layout.shape.length;
  const strides = shape.map((d, i) => (i < lead || layout.shape[i - lead] !== d ? 0 : layout.strides[i - lead]));
  return { shape, strides, offset: layout.offset };
}

export function sliced(layout: Layout, starts: readonly number[], steps: readonly number[], shape: Shape): Layout {
  return {
    shape,
    strides: layout.strides.map((s, i) => s * steps[i]),
    offset: starts.reduce((at, start, i) => at + start * layout.strides[i], layout.offset),
  };
}

/**
 * Merges neighbouring axes that every layout walks as one, and drops axes of length one: fewer axes, the same elements in the
 * same order. All layouts have the same shape. At least one axis remains.
 */
export function collapsed(shape: Shape, strides: readonly (readonly number[])[]): { shape: number[]; strides: number[][] } {
  const out = { shape: [] as number[], strides: strides.map(() => [] as number[]) };
  shape.forEach((d, axis) => {
    if (d === 1) return;
    const last = out.shape.length - 1;
    const nests = last >= 0 && strides.every((s, k) => out.strides[k][last] === s[axis] * d);
    if (nests) out.shape[last] *= d;
    else out.shape.push(d);
    const at = nests ? last : out.shape.length - 1;
    strides.forEach((s, k) => {
      out.strides[k][at] = s[axis];
    });
  });
  return out.shape.length ? out : { shape: [1], strides: strides.map(() => [0]) };
}

/** Calls `visit(i, at)` for every element in row-major order: its index and its place in storage. */
export function walk({ shape, strides, offset }: Layout, visit: (i: number, at: number) => void): void {
  const n = sizeOf(shape);
  const index = new Array<number>(shape.length).fill(0);
  let at = offset;
  for (let i = 0; i < n; i++) {
    visit(i, at);
    for (let axis = shape.length - 1; axis >= 0; axis--) {
      at += strides[axis];
      if (++index[axis] < shape[axis]) break;
      at -= strides[axis] * shape[axis];
      index[axis] = 0;
    }
  }
}

/** For every element of `to`, which element of a dense `shape` broadcasts onto it. */
export function placesOf(shape: Shape, to: Shape): Uint32Array {
  const places = new Uint32Array(sizeOf(to));
  walk(expanded(dense(shape), to), (i, at) => {
    places[i] = at;
  });
  return places;
}
