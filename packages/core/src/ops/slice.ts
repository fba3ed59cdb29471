import { OpError } from "../error.ts";
import { dense, sliced, walk } from "../layout.ts";
import type { Op, ViewOp } from "../op.ts";
import { checkOptions } from "../options.ts";
import { normalizeAxis, type Shape, show } from "../shape.ts";
import { apply, type Tensor } from "../tensor.ts";
import { checkFits } from "./full.ts";

export interface Slice {
  readonly starts: readonly number[];
  readonly steps: readonly number[];
  readonly shape: Shape;
}

export interface Pad {
  readonly before: readonly number[];
  readonly after: readonly number[];
  /** Distance between neighbouring elements in the result. */
  readonly steps: readonly number[];
  readonly value: number;
}

export const sliceOp: ViewOp<Slice> = {
  name: "slice",
  infer: ([x], { shape }) => ({ shape, dtype: x.dtype }),
  view: (layout, { starts, steps }, shape) => sliced(layout, starts, steps, shape),
  vjp(g, { inputs: [x], attrs: { starts, steps, shape } }) {
    const after = x.shape.map((d, i) => d - starts[i] - spread(shape[i], steps[i]));
    return [apply(padOp, [g], { before: starts, after, steps, value: 0 })];
  },
};

const spread = (length: number, step: number): number => (length === 0 ? 0 : (length - 1) * step + 1);

export const padOp: Op<Pad> = {
  name: "pad",
  infer([x], { before, after, steps }) {
    const shape = x.shape.map((d, i) => before[i] + spread(d, steps[i]) + after[i]);
    if (shape.some((d) => d < 0))
      throw new OpError("pad", `padding ${show(x.shape)} by ${show(before)} and ${show(after)} leaves ${show(shape)}`);
    return { shape, dtype: x.dtype };
  },
  reference([x], { before, steps, value }, out) {
    out.data.fill(value);
    walk(sliced(dense(out.shape), before, steps, x.shape), (i, at) => {
      out.data[at] = x.data[i];
    });
  },
  vjp: (g, { inputs: [x], attrs: { before, steps } }) => [apply(sliceOp, [g], { starts: before, steps, shape: x.shape })],
};

/** Where one axis is cut: `[start, end]` or `[start, end, step]`, negative from the end; an end beyond the axis means its end. */
export type Range = readonly [start: number, end?: number, step?: number];

/** Part of `x`: one range per axis, `null` for all of it; axes not named stay whole. A view. */
export function slice(x: Tensor, ranges: readonly (Range | null)[]): Tensor {
  if (ranges.length > x.rank) throw new OpError("slice", `${ranges.length} ranges for the ${x.rank} axes of ${show(x.shape)}`);
  const cuts = x.shape.map((d, axis) => {
    const [start, end = d, step = 1] = ranges[axis] ?? [0];
    if (!(Number.isInteger(start) && Number.isInteger(end) && Number.isInteger(step) && step > 0)) {
      throw new OpError("slice", `axis ${axis} is cut by [${start}, ${end}, ${step}]: start and end are whole numbers and the step is ≥ 1`);
    }
    const within = (v: number) => Math.min(Math.max(v < 0 ? v + d : v, 0), d);
    const [from, to] = [within(start), within(end)];
    return { start: from, step, length: Math.max(0, Math.ceil((to - from) / step)) };
  });
  return apply(sliceOp, [x], {
    starts: cuts.map((c) => c.start),
    steps: cuts.map((c) => c.step),
    shape: cuts.map((c) => c.length),
  });
}

/** Equal parts along an axis: views of `length / parts` each. */
export function chunk(x: Tensor, parts: number, options: { readonly axis?: number } = {}): Tensor[] {
  const { axis = 0 } = checkOptions("chunk", options, { axis: true });
  const at = normalizeAxis("chunk", axis, x.rank);
  if (!Number.isInteger(parts) || parts < 1) throw new OpError("chunk", `${parts} parts, expected a whole number ≥ 1`);
  const length = x.shape[at] / parts;
  if (!Number.isInteger(length)) throw new OpError("chunk", `axis ${axis} of ${show(x.shape)} does not divide into ${parts} parts`);
  return Array.from({ length: parts }, (_, i) =>
    slice(
      x,
      x.shape.map((_, a) => (a === at ? [i * length, (i + 1) * length] : null)),
    ),
  );
}

/** `x` with `value` around it: `[before, after]` for each axis, negative to crop. */
export function pad(
  x: Tensor,
  margins: readonly (readonly [before: number, after: number])[],
  options: { readonly value?: number } = {},
): Tensor {
  const { value = 0 } = checkOptions("pad", options, { value: true });
  if (margins.length !== x.rank) throw new OpError("pad", `${margins.length} margins for the ${x.rank} axes of ${show(x.shape)}`);
  checkFits("pad", value, x.dtype, 'Cast the tensor first with x.to("f32").');
  margins.forEach(([b, a], axis) => {
    if (!Number.isInteger(b) || !Number.isInteger(a))
      throw new OpError("pad", `axis ${axis} gets margins [${b}, ${a}], expected whole numbers`);
    if (Math.min(b, 0) + Math.min(a, 0) + x.shape[axis] < 0)
      throw new OpError("pad", `axis ${axis} of ${show(x.shape)} is cropped by [${b}, ${a}], which is more than its length`);
  });
  const crops = margins.map(([b, a]) => [Math.max(0, -b), Math.max(0, -a)]);
  const kept = crops.some(([b, a]) => b || a)
    ? slice(
        x,
        x.shape.map((d, i) => [crops[i][0], d - crops[i][1]]),
      )
    : x;
  return apply(padOp, [kept], {
    before: margins.map(([b]) => Math.max(0, b)),
    after: margins.map(([, a]) => Math.max(0, a)),
    steps: margins.map(() => 1),
    value: x.dtype === "bool" ? Number(value !== 0) : value,
  });
}
