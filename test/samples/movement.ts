import { type AttrsOf, type Shape, sizeOf } from "@snoopi/core";
import { arbBroadcast, arbShape } from "@snoopi/core/testing";
import fc from "fast-check";
import { perhapsNone, type Samples, small, tiled } from "./sample.ts";

const shape = fc.oneof({ weight: 6, arbitrary: arbShape() }, { weight: 1, arbitrary: arbShape({ minLength: 0, maxLength: 3 }) });

/** The same number of elements in other axes: neighbours merge, axes split, ones come and go. */
const regrouped = (from: Shape): fc.Arbitrary<Shape> =>
  fc
    .tuple(fc.array(fc.boolean(), { minLength: from.length, maxLength: from.length }), fc.array(fc.constantFrom(1, 2, 3), { maxLength: 3 }))
    .map(([merge, splits]) => {
      const merged: number[] = [];
      from.forEach((d, i) => {
        if (merge[i] && merged.length) merged[merged.length - 1] *= d;
        else merged.push(d);
      });
      const to = merged.length ? merged : [1];
      for (const by of splits) {
        const at = to.findIndex((d) => d % by === 0);
        if (at >= 0) to.splice(at, 1, by, to[at] / by);
      }
      return to;
    });

const reshape: Samples<AttrsOf<"reshape">> = {
  valid: shape.chain((from) => regrouped(from).map((to) => ({ inputs: [from], attrs: { shape: to } }))),
  invalid: [
    { inputs: [[2, 3]], attrs: { shape: [4] }, says: "reshape: [2, 3] has 6 elements and [4] has 4." },
    { inputs: [[2]], attrs: { shape: [-2, -1] }, says: "reshape: a shape is a list of whole numbers ≥ 0, got [-2, -1]." },
  ],
  integers: true,
};

const permute: Samples<AttrsOf<"permute">> = {
  valid: shape.chain((s) =>
    fc
      .tuple(
        fc.shuffledSubarray(
          s.map((_, i) => i),
          { minLength: s.length, maxLength: s.length },
        ),
        fc.boolean(),
      )
      .map(([order, negative]) => ({ inputs: [s], attrs: { order: negative ? order.map((a) => a - s.length) : order } })),
  ),
  invalid: [
    { inputs: [[2, 3]], attrs: { order: [0] }, says: "permute: [0] is not an order of the 2 axes of [2, 3]." },
    { inputs: [[2, 3]], attrs: { order: [1, -1] }, says: "permute: [1, -1] is not an order of the 2 axes of [2, 3]." },
    { inputs: [[2, 3]], attrs: { order: [0, 2] }, says: "permute: axis 2 is out of range for rank 2." },
    { inputs: [[2, 3]], attrs: { order: [0, 0.5] }, says: "permute: axis 0.5 is out of range for rank 2." },
  ],
  integers: true,
};

const broadcastTo: Samples<AttrsOf<"broadcastTo">> = {
  valid: fc.tuple(arbShape(), arbBroadcast(1, { minLength: 0, maxLength: 3 }), fc.nat()).map(([to, , pick]) => {
    const from = to.map((d, i) => ((pick >> i) & 1 ? 1 : d)).slice((pick >> 8) % (to.length + 1));
    return { inputs: [from], attrs: { shape: to } };
  }),
  invalid: [
    { inputs: [[3, 2]], attrs: { shape: [2] }, says: "broadcastTo: [3, 2] does not stretch to [2]." },
    { inputs: [[3]], attrs: { shape: [1] }, says: "broadcastTo: [3] does not stretch to [1]." },
    { inputs: [[3]], attrs: { shape: [4] }, says: "broadcastTo: cannot broadcast [3] with [4]: axis 0 is 3 in one and 4 in the other." },
  ],
  integers: true,
};

const slice: Samples<AttrsOf<"slice">> = {
  valid: shape.chain((s) =>
    fc.tuple(...s.map((d) => fc.tuple(fc.nat({ max: d }), fc.integer({ min: 1, max: 3 }), fc.nat({ max: d })))).map((cuts) => ({
      inputs: [s],
      attrs: {
        starts: cuts.map(([start]) => start),
        steps: cuts.map(([, step]) => step),
        shape: cuts.map(([start, step, want], i) => Math.min(Math.max(want, 1), Math.ceil((s[i] - start) / step))),
      },
    })),
  ),
  // The function checks its ranges; the record is only reached through it.
  invalid: [],
  integers: true,
};

const alias: Samples<void> = { valid: shape.map((s) => ({ inputs: [s], attrs: undefined })), invalid: [], integers: true };

const pad: Samples<AttrsOf<"pad">> = {
  valid: fc
    .array(
      fc.record({ length: perhapsNone, before: fc.nat({ max: 3 }), after: fc.nat({ max: 3 }), step: fc.integer({ min: 1, max: 3 }) }),
      { maxLength: 4 },
    )
    .chain((axes) =>
      fc.constantFrom(0, 1.5, -2).map((value) => ({
        inputs: [axes.map((a) => a.length)],
        attrs: { before: axes.map((a) => a.before), after: axes.map((a) => a.after), steps: axes.map((a) => a.step), value },
      })),
    ),
  invalid: [
    { inputs: [[2]], attrs: { before: [0], after: [-3], steps: [1], value: 0 }, says: "pad: padding [2] by [0] and [-3] leaves [-1]." },
  ],
};

const concat: Samples<AttrsOf<"concat">> = {
  valid: fc.oneof(
    fc
      .tuple(arbShape({ minRank: 1, maxLength: 4 }), fc.nat(), fc.array(perhapsNone, { minLength: 1, maxLength: 4 }))
      .map(([s, pick, lengths]) => {
        const axis = pick % s.length;
        return { inputs: lengths.map((n) => s.map((d, i) => (i === axis ? n : d))), attrs: { axis } };
      }),
    fc.tuple(tiled, tiled, small).map(([a, b, n]) => ({
      inputs: [
        [n, a],
        [n, b],
      ],
      attrs: { axis: 1 },
    })),
  ),
  invalid: [
    {
      inputs: [
        [2, 3],
        [2, 4],
      ],
      attrs: { axis: 0 },
      says: "concat: [2, 3] and [2, 4] differ in more than axis 0.",
    },
    { inputs: [[2, 3], [2]], attrs: { axis: 0 }, says: "concat: [2, 3] and [2] differ in more than axis 0." },
  ],
  integers: true,
};

const full: Samples<AttrsOf<"full">> = {
  valid: fc
    .tuple(shape, fc.constantFrom(0, 1, -2.5, 1e-3))
    .map(([s, value]) => ({ inputs: [], attrs: { shape: s, value, dtype: "f32" as const } })),
  invalid: [
    { inputs: [], attrs: { shape: [2, 1.5], value: 0, dtype: "f32" }, says: "full: a shape is a list of whole numbers ≥ 0, got [2, 1.5]." },
  ],
};

const random: Samples<AttrsOf<"random">> = {
  valid: fc
    .tuple(shape, fc.tuple(fc.nat(), fc.nat()), fc.nat({ max: 3 }), fc.constantFrom("uniform", "normal"))
    .filter(([s]) => sizeOf(s) > 0)
    .map(([s, [a, b], stream, distribution]) => ({ inputs: [], attrs: { shape: s, key: [a, b] as const, stream, distribution } })),
  invalid: [
    {
      inputs: [],
      attrs: { shape: [-1], key: [0, 0], stream: 0, distribution: "uniform" },
      says: "uniform: a shape is a list of whole numbers ≥ 0, got [-1].",
    },
    {
      inputs: [],
      attrs: { shape: [0.5], key: [0, 0], stream: 0, distribution: "normal" },
      says: "normal: a shape is a list of whole numbers ≥ 0, got [0.5].",
    },
  ],
};

export const movement = { reshape, permute, broadcastTo, slice, alias, pad, concat, full, random };
