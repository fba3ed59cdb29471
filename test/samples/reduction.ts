import { type AttrsOf, type Shape, sizeOf, type Value } from "@snoopi/core";
import { arbShape, bound } from "@snoopi/core/testing";
import fc from "fast-check";
import { type Input, perhapsNone, type Samples, small, tiled } from "./sample.ts";

/** A shape with one long axis among short ones, and some of its axes. */
const reduced = (minLength: number) =>
  fc
    .tuple(
      fc.oneof(
        arbShape({ minLength, maxLength: 5 }),
        fc.tuple(small, tiled, small),
        fc.tuple(tiled, tiled),
        fc.tuple(small, fc.constantFrom(257, 300)),
      ),
      fc.nat(),
    )
    .map(([shape, pick]: [Shape, number]) => ({ inputs: [shape], attrs: { axes: shape.flatMap((_, i) => ((pick >> i) & 1 ? [i] : [])) } }));

const sum: Samples<AttrsOf<"sum">> = {
  valid: fc.oneof({ weight: 6, arbitrary: reduced(1) }, { weight: 1, arbitrary: reduced(0) }),
  invalid: [],
  integers: true,
};

const amax: Samples<AttrsOf<"amax">> = {
  valid: reduced(1),
  invalid: [{ inputs: [[2, 0]], attrs: { axes: [1] }, says: "amax: [2, 0] has no elements to choose from." }],
  integers: true,
  // Where elements tie for the maximum, the function has a kink.
  repeats: false,
  bound: () => () => 0,
};

/** Twice the largest size: no two elements lie further apart. */
const range = (x: Value): number => Array.from(x.data).reduce((most, v) => Math.max(most, Math.abs(v)), 0) * 2;

const softmax: Samples<void> = {
  valid: fc.oneof(
    arbShape({ minRank: 1, maxLength: 4 }).map((s) => ({ inputs: [s], attrs: undefined })),
    fc.tuple(small, fc.oneof(tiled, fc.constantFrom(77, 257, 300))).map((s) => ({ inputs: [s], attrs: undefined })),
    fc.tuple(perhapsNone, perhapsNone).map((s) => ({ inputs: [s], attrs: undefined })),
  ),
  invalid: [
    { inputs: [[]], attrs: undefined, says: "softmax: expected at least one axis, got []." },
    {
      inputs: [{ shape: [2], dtype: "i32" }],
      attrs: undefined,
      says: 'softmax: expected floats, got i32. Cast it first with x.to("f32").',
    },
  ],
  // exp(x − max) is off by the rounding of its argument and by 3 + 2|x − max| ulp, above and below the fraction; the sum adds its own.
  bound([x], _, out) {
    const n = x.shape[x.shape.length - 1];
    const perExp = (3 + 2 * range(x)) * 2 + range(x);
    return (i) => bound(out.dtype, n + 2 * perExp + 6, out.data[i]);
  },
};

const norm = 'expected floats, got i32. Cast it first with x.to("f32").';

/**
 * x̂ = (x − mean)/σ over rows of n: the mean is off by (n + 1) units of the row's largest element, which division by σ magnifies; σ's own
 * relative error is about n + 4 units.
 */
const normBound =
  (rows: (x: Value, attrs: any) => number) =>
  ([x, weight, bias]: readonly Value[], attrs: any, out: Value) => {
    const count = rows(x, attrs);
    const n = x.data.length / count;
    const gain = weight ? range(weight) / 2 : 1;
    const worst = Array.from({ length: count }, (_, r) => {
      const row = Array.from(x.data.subarray(r * n, (r + 1) * n));
      const mean = row.reduce((a, b) => a + b, 0) / n;
      const sigma = Math.sqrt(row.reduce((a, b) => a + (b - mean) ** 2, 0) / n + attrs.eps);
      return (Math.max(...row.map(Math.abs)) * 2) / sigma + 1;
    });
    return (i: number) => bound(out.dtype, n + 6, worst[Math.floor(i / n)] * gain + (bias ? range(bias) / 2 : 0) + Math.abs(out.data[i]));
  };

const groupNorm: Samples<AttrsOf<"groupNorm">> = {
  valid: fc
    .tuple(
      perhapsNone,
      fc.integer({ min: 1, max: 4 }),
      fc.integer({ min: 1, max: 3 }),
      fc.oneof(arbShape({ maxRank: 2 }), fc.tuple(tiled), fc.tuple(fc.constantFrom(7, 17), fc.constantFrom(9, 16))),
      fc.boolean(),
    )
    .map(([b, groups, per, inner, affine]) => {
      const c = groups * per;
      return { inputs: [[b, c, ...inner], ...(affine ? [[c], [c]] : [])], attrs: { groups, eps: 1e-5 } };
    })
    // One element a group is 0/√eps: its differences are all rounding.
    .filter(({ inputs: [x], attrs }) => sizeOf(x.slice(1)) > 2 * attrs.groups || sizeOf(x) === 0),
  invalid: [
    { inputs: [[4]], attrs: { groups: 2, eps: 1e-5 }, says: "groupNorm: expected [batch, channels, ...], got [4]." },
    { inputs: [[1, 4, 3]], attrs: { groups: 3, eps: 1e-5 }, says: "groupNorm: 4 channels do not divide into 3 groups." },
    { inputs: [[1, 4, 3]], attrs: { groups: 0.5, eps: 1e-5 }, says: "groupNorm: 4 channels do not divide into 0.5 groups." },
    { inputs: [{ shape: [1, 4], dtype: "i32" }], attrs: { groups: 2, eps: 1e-5 }, says: `groupNorm: ${norm}` },
    { inputs: [[1, 4], [3], [4]], attrs: { groups: 2, eps: 1e-5 }, says: "groupNorm: the weight is [3], expected [4] for x [1, 4]." },
    { inputs: [[1, 4], [4], [1, 4]], attrs: { groups: 2, eps: 1e-5 }, says: "groupNorm: the bias is [1, 4], expected [4] for x [1, 4]." },
  ],
  repeats: false,
  bound: normBound((x, { groups }) => x.shape[0] * groups),
};

const layerNorm: Samples<AttrsOf<"layerNorm">> = {
  valid: fc
    .tuple(fc.array(perhapsNone, { maxLength: 2 }), fc.oneof(fc.constantFrom(3, 5, 8, 17, 33, 65), fc.constantFrom(257, 300)), fc.boolean())
    .map(([lead, d, affine]) => ({ inputs: [[...lead, d], ...(affine ? [[d], [d]] : [])], attrs: { eps: 1e-5 } })),
  invalid: [
    { inputs: [[]], attrs: { eps: 1e-5 }, says: "layerNorm: expected at least one axis, got []." },
    { inputs: [{ shape: [3], dtype: "i32" }], attrs: { eps: 1e-5 }, says: `layerNorm: ${norm}` },
    { inputs: [[2, 3], [2], [3]], attrs: { eps: 1e-5 }, says: "layerNorm: the weight is [2], expected [3] for x [2, 3]." },
    { inputs: [[2, 3], [3], [2]], attrs: { eps: 1e-5 }, says: "layerNorm: the bias is [2], expected [3] for x [2, 3]." },
  ],
  repeats: false,
  bound: normBound((x) => sizeOf(x.shape.slice(0, -1))),
};

const embedding: Samples<void> = {
  valid: fc
    .tuple(
      fc.integer({ min: 1, max: 9 }),
      tiled,
      fc.oneof(arbShape({ maxRank: 2 }), fc.tuple(tiled)),
      fc.constantFrom("i32" as const, "u32" as const),
    )
    .map(([rows, width, ids, dtype]) => ({ inputs: [[rows, width], { shape: ids, dtype, below: rows }] as Input[], attrs: undefined })),
  invalid: [
    { inputs: [[3], { shape: [2], dtype: "i32" }], attrs: undefined, says: "embedding: the table is [3], expected [rows, width]." },
    { inputs: [[3, 2], [2]], attrs: undefined, says: "embedding: the ids are f32, expected i32 or u32." },
  ],
  bound: () => () => 0,
};

const scatterAdd: Samples<AttrsOf<"scatterAdd">> = {
  valid: fc
    .tuple(
      fc.integer({ min: 1, max: 9 }),
      tiled,
      fc.oneof(arbShape({ maxRank: 2 }), fc.tuple(tiled)),
      fc.constantFrom("i32" as const, "u32" as const),
      fc.boolean(),
    )
    .map(([rows, width, ids, dtype, flat]) => ({
      inputs: [flat ? [sizeOf(ids), width] : [...ids, width], { shape: ids, dtype, below: rows }] as Input[],
      attrs: { rows },
    })),
  invalid: [
    { inputs: [[2, 3], { shape: [4], dtype: "i32" }], attrs: { rows: 5 }, says: "scatterAdd: [2, 3] has 2 rows and there are 4 ids." },
    { inputs: [[2, 3], [2]], attrs: { rows: 5 }, says: "scatterAdd: the ids are f32, expected i32 or u32." },
    { inputs: [[], { shape: [], dtype: "i32" }], attrs: { rows: 5 }, says: "scatterAdd: expected [..., width], got []." },
    {
      inputs: [[2, 3], { shape: [2], dtype: "i32" }],
      attrs: { rows: 1.5 },
      says: "scatterAdd: the table has 1.5 rows, expected a whole number.",
    },
  ],
  // Whatever the ids, a row sums at most all of them.
  bound:
    ([x, ids], _, out) =>
    () =>
      bound(out.dtype, ids.data.length, (ids.data.length * range(x)) / 2),
};

export const reduction = { sum, amax, softmax, groupNorm, layerNorm, embedding, scatterAdd };
