import { type AttrsOf, type Shape, sizeOf, type Value } from "@snoopi/core";
import { arbShape, bound } from "@snoopi/core/testing";
import fc from "fast-check";
import { edged, perhapsNone, type Samples, small, tiled } from "./sample.ts";

// Backward passes with kernels of their own. They are functions like any other: what a forward pass would have handed them is drawn at random.

/** Sums of the sizes of terms, added up by `key`. */
function sizes(length: number, n: number, key: (i: number) => number, term: (i: number) => number): Float64Array {
  const sums = new Float64Array(length);
  for (let i = 0; i < n; i++) sums[key(i)] += Math.abs(term(i));
  return sums;
}

/** An upper bound of |x − mean| / σ, in which nothing cancels. */
const distance = (x: Value, moments: Value, i: number, row: number): number =>
  (Math.abs(x.data[i]) + Math.abs(moments.data[row * 2])) * Math.abs(moments.data[row * 2 + 1]);

const moments: Samples<AttrsOf<"moments">> = {
  valid: fc
    .tuple(perhapsNone, fc.oneof(tiled, fc.constantFrom(257, 300, 4097)))
    .map(([rows, n]) => ({ inputs: [[rows, n]], attrs: { eps: 1e-2 } })),
  invalid: [{ inputs: [[4]], attrs: { eps: 1 }, says: "moments: expected [rows, n], got [4]." }],
  repeats: false,
  // The mean is off by n + 1 units of the largest element, which division by σ magnifies in 1/σ, besides some n + 4 units of its own.
  bound([x], _, out) {
    const n = x.shape[1];
    return (i) => {
      const row = Math.floor(i / 2);
      const most = Math.max(...Array.from(x.data.subarray(row * n, (row + 1) * n), Math.abs));
      const scale = out.data[row * 2 + 1];
      return i % 2 === 0 ? bound(out.dtype, n, most) : bound(out.dtype, n + 8, scale * (1 + 2 * most * scale));
    };
  },
};

const planes = fc
  .tuple(
    perhapsNone,
    fc.integer({ min: 1, max: 4 }),
    fc.integer({ min: 1, max: 3 }),
    fc.oneof(arbShape({ maxRank: 2 }), fc.tuple(tiled), fc.tuple(fc.constantFrom(7, 17), fc.constantFrom(9, 16))),
  )
  .map(([b, groups, share, inner]) => ({ x: [b, groups * share, ...inner] as Shape, b, c: groups * share, groups, share, inner }));

const groupNormSums: Samples<AttrsOf<"groupNormSums">> = {
  valid: planes.map(({ x, b, groups }) => ({ inputs: [x, x, [b * groups, 2]], attrs: { groups } })),
  invalid: [
    {
      inputs: [[2], [2], [2, 2]],
      attrs: { groups: 1 },
      says: "groupNormSums: expected [batch, channels, ...] in 1 groups, got [2].",
    },
    {
      inputs: [
        [1, 4],
        [1, 2],
        [2, 2],
      ],
      attrs: { groups: 2 },
      says: "groupNormSums: the cotangent is [1, 4] and x [1, 2]: they must be alike.",
    },
    {
      inputs: [
        [1, 4],
        [1, 4],
        [1, 2],
      ],
      attrs: { groups: 2 },
      says: "groupNormSums: the moments are [1, 2], expected [2, 2].",
    },
  ],
  bound([g, x, moments], { groups }, out) {
    const inner = sizeOf(x.shape.slice(2));
    const plane = (i: number) => Math.floor(i / inner);
    const count = x.shape[0] * x.shape[1];
    const totals = sizes(count, g.data.length, plane, (i) => g.data[i]);
    const row = (p: number) => Math.floor((p * groups) / x.shape[1]);
    const along = sizes(count, g.data.length, plane, (i) => g.data[i] * distance(x, moments, i, row(plane(i))));
    return (i) => bound(out.dtype, inner + 4, (i % 2 ? along : totals)[Math.floor(i / 2)]);
  },
};

const groupNormGrad: Samples<AttrsOf<"groupNormGrad">> = {
  valid: fc
    .tuple(planes, fc.boolean())
    .map(([{ x, b, c, groups }, affine]) => ({ inputs: [x, x, [b * groups, 2], [b, c, 2], ...(affine ? [[c]] : [])], attrs: { groups } })),
  invalid: [
    {
      inputs: [
        [1, 4],
        [1, 4],
        [2, 2],
        [4, 2],
      ],
      attrs: { groups: 2 },
      says: "groupNormGrad: the sums are [4, 2], expected [1, 4, 2].",
    },
    {
      inputs: [[1, 4], [1, 4], [2, 2], [1, 4, 2], [2]],
      attrs: { groups: 2 },
      says: "groupNormGrad: the weight is [2], expected [4].",
    },
  ],
  bound([g, x, moments, sums, weight], { groups }, out) {
    const [b, c] = x.shape;
    const inner = sizeOf(x.shape.slice(2));
    const share = c / groups;
    const gain = (plane: number) => (weight ? Math.abs(weight.data[plane % c]) : 1);
    const perRow = (which: 0 | 1) =>
      sizes(
        b * groups,
        b * c,
        (p) => Math.floor(p / share),
        (p) => (gain(p) * sums.data[p * 2 + which]) / (share * inner),
      );
    const [totals, along] = [perRow(0), perRow(1)];
    return (i) => {
      const plane = Math.floor(i / inner);
      const row = Math.floor(plane / share);
      const terms = gain(plane) * Math.abs(g.data[i]) + totals[row] + distance(x, moments, i, row) * along[row];
      return bound(out.dtype, share + 10, Math.abs(moments.data[row * 2 + 1]) * terms);
    };
  },
};

const rows = fc
  .tuple(fc.array(perhapsNone, { maxLength: 2 }), fc.oneof(fc.constantFrom(3, 5, 8, 17, 33, 65), fc.constantFrom(257, 300)))
  .map(([lead, d]) => ({ x: [...lead, d] as Shape, rows: sizeOf(lead), d }));

const layerNormGrad: Samples<void> = {
  valid: fc
    .tuple(rows, fc.boolean())
    .map(([{ x, rows, d }, affine]) => ({ inputs: [x, x, [rows, 2], ...(affine ? [[d]] : [])], attrs: undefined })),
  invalid: [
    { inputs: [[], [], [1, 2]], attrs: undefined, says: "layerNormGrad: expected at least one axis, got []." },
    {
      inputs: [
        [2, 3],
        [2, 3],
        [3, 2],
      ],
      attrs: undefined,
      says: "layerNormGrad: the moments are [3, 2], expected [2, 2].",
    },
  ],
  bound([g, x, moments, weight], _, out) {
    const d = x.shape[x.shape.length - 1];
    const row = (i: number) => Math.floor(i / d);
    const weighed = (i: number) => Math.abs(g.data[i]) * (weight ? Math.abs(weight.data[i % d]) : 1);
    const count = moments.shape[0];
    const totals = sizes(count, g.data.length, row, (i) => weighed(i) / d);
    const along = sizes(count, g.data.length, row, (i) => (weighed(i) * distance(x, moments, i, row(i))) / d);
    return (i) => {
      const terms = weighed(i) + totals[row(i)] + distance(x, moments, i, row(i)) * along[row(i)];
      return bound(out.dtype, d + 10, Math.abs(moments.data[row(i) * 2 + 1]) * terms);
    };
  },
};

const layerNormAffineGrad: Samples<void> = {
  valid: fc.oneof(
    rows.map(({ x, rows }) => ({ inputs: [x, x, [rows, 2]], attrs: undefined })),
    fc.tuple(fc.constantFrom(15, 16, 17, 33, 65), fc.constantFrom(1, 4, 9)).map(([n, d]) => ({
      inputs: [
        [n, d],
        [n, d],
        [n, 2],
      ],
      attrs: undefined,
    })),
  ),
  invalid: [
    {
      inputs: [
        [2, 3],
        [3, 2],
        [2, 2],
      ],
      attrs: undefined,
      says: "layerNormAffineGrad: the cotangent is [2, 3] and x [3, 2]: they must be alike.",
    },
  ],
  bound([g, x, moments], _, out) {
    const d = x.shape[x.shape.length - 1];
    const column = (i: number) => i % d;
    const along = sizes(d, g.data.length, column, (i) => g.data[i] * distance(x, moments, i, Math.floor(i / d)));
    const totals = sizes(d, g.data.length, column, (i) => g.data[i]);
    return (i) => bound(out.dtype, moments.shape[0] + 4, (i < d ? along : totals)[i % d]);
  },
};

const softmaxGrad: Samples<void> = {
  valid: fc.oneof(
    arbShape({ minRank: 1, maxLength: 4 }).map((s) => ({ inputs: [s, s], attrs: undefined })),
    fc.tuple(small, fc.oneof(tiled, fc.constantFrom(77, 257, 300))).map((s) => ({ inputs: [s, s], attrs: undefined })),
    fc.tuple(perhapsNone, perhapsNone).map((s) => ({ inputs: [s, s], attrs: undefined })),
  ),
  invalid: [
    { inputs: [[], []], attrs: undefined, says: "softmaxGrad: expected two alike with at least one axis, got [] and []." },
    { inputs: [[2], [3]], attrs: undefined, says: "softmaxGrad: expected two alike with at least one axis, got [2] and [3]." },
  ],
  bound([g, y], _, out) {
    const n = y.shape[y.shape.length - 1];
    const along = sizes(
      y.data.length / n || 0,
      y.data.length,
      (i) => Math.floor(i / n),
      (i) => g.data[i] * y.data[i],
    );
    return (i) => bound(out.dtype, n + 4, Math.abs(y.data[i]) * (Math.abs(g.data[i]) + along[Math.floor(i / n)]));
  },
};

const resizeGrad: Samples<AttrsOf<"resizeGrad">> = {
  valid: fc
    .tuple(perhapsNone, small, edged, edged, edged, edged, fc.constantFrom("nearest", "bilinear"))
    .map(([b, c, h, w, oh, ow, mode]) => ({ inputs: [[b, c, oh, ow]], attrs: { size: [h, w] as const, mode } })),
  invalid: [{ inputs: [[2, 3, 4]], attrs: { size: [2, 2], mode: "nearest" }, says: "resizeGrad: expected [B, C, H, W], got [2, 3, 4]." }],
  // At most so many outputs read a pixel; a bilinear position is off by a few units of the axis' length, and moves the mix by as much.
  bound([g], { size: [h, w], mode }, out) {
    const readers = (2 * Math.ceil(g.shape[2] / h) + 1) * (2 * Math.ceil(g.shape[3] / w) + 1);
    const largest = Array.from(g.data).reduce((most, v) => Math.max(most, Math.abs(v)), 0);
    const mix = mode === "nearest" ? 0 : 4 * Math.max(h, w, g.shape[2], g.shape[3]) + 12;
    return () => bound(out.dtype, readers + mix, readers * largest);
  },
};

/** An approximation of erf good to 1e-6, an exp that is off by 3 + 2|t²/2| ulp, and some ten roundings. */
const gated = (dtype: Value["dtype"], t: number, size: number): number => bound(dtype, 12 + 4 * t * t, size) + 2e-6 * size;

const geglu: Samples<void> = {
  valid: fc
    .tuple(fc.array(perhapsNone, { maxLength: 2 }), tiled)
    .map(([lead, half]) => ({ inputs: [[...lead, 2 * half]], attrs: undefined })),
  invalid: [
    { inputs: [[]], attrs: undefined, says: "geglu: expected a last axis of two halves, value and gate, got []." },
    { inputs: [[2, 3]], attrs: undefined, says: "geglu: expected a last axis of two halves, value and gate, got [2, 3]." },
    { inputs: [{ shape: [2], dtype: "i32" }], attrs: undefined, says: 'geglu: expected floats, got i32. Cast it first with x.to("f32").' },
  ],
  bound([x], _, out) {
    const half = x.shape[x.shape.length - 1] / 2;
    return (i) => {
      const at = Math.floor(i / half) * 2 * half + (i % half);
      return gated(out.dtype, x.data[at + half], Math.abs(x.data[at] * x.data[at + half]));
    };
  },
};

const gegluGrad: Samples<void> = {
  valid: fc.tuple(fc.array(perhapsNone, { maxLength: 2 }), tiled).map(([lead, half]) => ({
    inputs: [
      [...lead, half],
      [...lead, 2 * half],
    ],
    attrs: undefined,
  })),
  invalid: [
    { inputs: [[2], [2]], attrs: undefined, says: "gegluGrad: expected a cotangent of half the width of x, got [2] and [2]." },
    { inputs: [[], []], attrs: undefined, says: "gegluGrad: expected a cotangent of half the width of x, got [] and []." },
  ],
  bound([g, x], _, out) {
    const half = x.shape[x.shape.length - 1] / 2;
    return (i) => {
      const [row, column] = [Math.floor(i / (2 * half)), i % half];
      const [value, t] = [x.data[row * 2 * half + column], x.data[(row * 2 + 1) * half + column]];
      return gated(out.dtype, t, Math.abs(g.data[row * half + column]) * (Math.abs(t) + Math.abs(value) * (1 + Math.abs(t))));
    };
  },
};

export const backward = {
  moments,
  groupNormSums,
  groupNormGrad,
  layerNormGrad,
  layerNormAffineGrad,
  softmaxGrad,
  resizeGrad,
  geglu,
  gegluGrad,
};
