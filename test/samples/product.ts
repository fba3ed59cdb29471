import type { AttrsOf, Shape, Value, Window } from "@snoopi/core";
import { arbBroadcast, bound } from "@snoopi/core/testing";
import fc from "fast-check";
import { edged, type Input, perhapsNone, type Samples, small, tiled } from "./sample.ts";

const i32 = (shape: Shape): Input => ({ shape, dtype: "i32" });

const matmul: Samples<void> = {
  valid: fc.oneof(
    fc
      .tuple(tiled, tiled, tiled, fc.boolean())
      .map(([m, k, n, bias]) => ({ inputs: [[m, k], [k, n], ...(bias ? [[n]] : [])], attrs: undefined })),
    fc
      .tuple(arbBroadcast(2, { maxRank: 2, maxLength: 3 }), edged, edged, edged, fc.boolean())
      .map(([[a, b], m, k, n, bias]) => ({ inputs: [[...a, m, k], [...b, k, n], ...(bias ? [[n]] : [])], attrs: undefined })),
    fc.tuple(perhapsNone, perhapsNone, perhapsNone).map(([m, k, n]) => ({ inputs: [[m, k], [k, n], [n]], attrs: undefined })),
  ),
  invalid: [
    { inputs: [[2], [2, 2]], attrs: undefined, says: "matmul: expected matrices or stacks of them, got [2] and [2, 2]." },
    {
      inputs: [
        [2, 3],
        [4, 5],
      ],
      attrs: undefined,
      says: "matmul: inner sizes differ, 3 ≠ 4, in [2, 3] × [4, 5].",
    },
    {
      inputs: [
        [2, 3],
        [5, 3],
      ],
      attrs: undefined,
      says: "matmul: inner sizes differ, 3 ≠ 5, in [2, 3] × [5, 3]. Did you mean matmul(a, transpose(b))?",
    },
    {
      inputs: [
        [2, 3],
        [2, 5],
      ],
      attrs: undefined,
      says: "matmul: inner sizes differ, 3 ≠ 2, in [2, 3] × [2, 5]. Did you mean matmul(transpose(a), b)?",
    },
    { inputs: [[2, 3], i32([3, 2])], attrs: undefined, says: "matmul: expected floats, got f32 and i32." },
    { inputs: [[2, 3], [3, 4], [3]], attrs: undefined, says: "matmul: the bias is [3] and the product has 4 columns." },
    {
      inputs: [
        [2, 2, 3],
        [4, 3, 2],
      ],
      attrs: undefined,
      says: "matmul: cannot broadcast [2] with [4]: axis 0 is 2 in one and 4 in the other.",
    },
  ],
};

const mask = (b: number, h: number, q: number, k: number) =>
  fc.oneof(
    fc.constant([] as Input[]),
    fc
      .tuple(fc.constantFrom<Shape>([q, k], [b, 1, 1, k], [b, h, q, k], [1, k]), fc.boolean())
      .map(([shape, bool]): Input[] => [bool ? { shape, dtype: "bool" } : shape]),
  );

const largest = (x: Value): number => Array.from(x.data).reduce((most, v) => Math.max(most, Math.abs(v)), 0);

const attention: Samples<AttrsOf<"attention">> = {
  valid: fc
    .tuple(
      small,
      fc.integer({ min: 1, max: 3 }),
      fc.constantFrom(1, 3, 9, 17, 33),
      fc.constantFrom(1, 5, 8, 17, 35, 77),
      fc.constantFrom(1, 4, 8, 9, 40),
      // Independent flags would double the kernels to compile.
      fc.record({ scale: fc.constantFrom(0.3, 1), causal: fc.boolean() }).map((a) => ({ ...a, saves: a.causal })),
    )
    .chain(([b, h, lq, lk, d, attrs]) =>
      mask(b, h, lq, lk).map((masks) => ({ inputs: [[b, h, lq, d], [b, h, lk, d], [b, h, lk, d], ...masks], attrs })),
    ),
  invalid: [
    {
      inputs: [
        [2, 3, 4],
        [1, 1, 2, 4],
        [1, 1, 2, 4],
      ],
      attrs: { scale: 1, causal: false },
      says: "attention: q is [2, 3, 4], expected [batch, heads, tokens, width].",
    },
    {
      inputs: [
        [1, 1, 2, 4],
        [1, 2, 4],
        [1, 1, 2, 4],
      ],
      attrs: { scale: 1, causal: false },
      says: "attention: k is [1, 2, 4], expected [batch, heads, tokens, width].",
    },
    {
      inputs: [[1, 1, 2, 4], [1, 1, 2, 4], [4]],
      attrs: { scale: 1, causal: false },
      says: "attention: v is [4], expected [batch, heads, tokens, width].",
    },
    {
      inputs: [[1, 1, 2, 4], i32([1, 1, 2, 4]), [1, 1, 2, 4]],
      attrs: { scale: 1, causal: false },
      says: "attention: k is i32, expected floats.",
    },
    {
      inputs: [
        [1, 2, 2, 4],
        [1, 1, 2, 4],
        [1, 1, 2, 4],
      ],
      attrs: { scale: 1, causal: false },
      says: "attention: k is [1, 1, 2, 4], expected [1, 2, tokens, 4] to match q [1, 2, 2, 4].",
    },
    {
      inputs: [
        [1, 1, 2, 4],
        [1, 1, 3, 4],
        [1, 1, 2, 4],
      ],
      attrs: { scale: 1, causal: false },
      says: "attention: v is [1, 1, 2, 4] and k is [1, 1, 3, 4]: they must be alike.",
    },
    {
      inputs: [
        [1, 1, 2, 4],
        [1, 1, 3, 4],
        [1, 1, 3, 4],
        [2, 1, 2, 3],
      ],
      attrs: { scale: 1, causal: false },
      says: "attention: the mask [2, 1, 2, 3] does not stretch to [1, 1, 2, 3].",
    },
    {
      inputs: [
        [1, 1, 2, 4],
        [1, 1, 3, 4],
        [1, 1, 3, 4],
        [1, 1, 1, 2, 3],
      ],
      attrs: { scale: 1, causal: false },
      says: "attention: the mask [1, 1, 1, 2, 3] does not stretch to [1, 1, 2, 3].",
    },
    {
      inputs: [[1, 1, 2, 4], [1, 1, 3, 4], [1, 1, 3, 4], [2]],
      attrs: { scale: 1, causal: false },
      says: "attention: cannot broadcast [2] with [1, 1, 2, 3]: axis 3 is 2 in one and 3 in the other.",
    },
    {
      inputs: [[1, 1, 2, 4], [1, 1, 3, 4], [1, 1, 3, 4], i32([2, 3])],
      attrs: { scale: 1, causal: false },
      says: "attention: the mask is i32, expected bool or floats.",
    },
  ],
  // A score is off by d + 2 units of d·|q||k|·scale, which is p's relative error; exp adds 3 + 2|s| ulp, the two sums lk units each. The
  // further result is the largest score of each query, then 1/Σexp, which is off by what p is.
  bound([q, k, v, mask], { scale }, out, result) {
    const d = q.shape[3];
    const size = d * largest(q) * largest(k) * Math.abs(scale) + (mask && mask.dtype !== "bool" ? largest(mask) : 0);
    const units = (d + 4) * size + 2 * (3 + 2 * 2 * size) + 2 * k.shape[2] + 8;
    if (result === 0) return () => bound(out.dtype, 2 * units, largest(v));
    const queries = out.data.length / 2;
    return (i) => (i < queries ? bound(out.dtype, d + 4, size) : bound(out.dtype, 2 * units, out.data[i]));
  },
};

const window = fc.record({
  stride: fc.tuple(fc.constantFrom(1, 1, 2, 3), fc.constantFrom(1, 1, 2)),
  padding: fc.tuple(fc.nat({ max: 2 }), fc.nat({ max: 2 }), fc.nat({ max: 2 }), fc.nat({ max: 1 })),
});
const kernel = fc.constantFrom([1, 1], [3, 3], [3, 3], [5, 3], [2, 4]);
const still: Window = { stride: [1, 1], padding: [0, 0, 0, 0] };

/** Sizes of a convolution in which the window fits. */
const convolution = fc
  .tuple(
    perhapsNone,
    fc.constantFrom(1, 3, 4, 8, 9, 17),
    fc.constantFrom(1, 2, 4, 8, 9, 17),
    fc.constantFrom(1, 3, 5, 8, 9, 11),
    fc.constantFrom(1, 4, 7, 8, 17),
    kernel,
    window,
    fc.boolean(),
  )
  .map(([b, c, o, h, w, [kh, kw], { stride, padding }, bias]) => {
    const oh = Math.floor((h + padding[0] + padding[1] - kh) / stride[0]) + 1;
    const ow = Math.floor((w + padding[2] + padding[3] - kw) / stride[1]) + 1;
    return { x: [b, c, h, w], weight: [o, c, kh, kw], out: [b, o, oh, ow], bias: bias ? [[o]] : [], window: { stride, padding } };
  })
  .filter(({ out }) => out[2] >= 1 && out[3] >= 1);

const conv2d: Samples<AttrsOf<"conv2d">> = {
  valid: convolution.map(({ x, weight, bias, window }) => ({ inputs: [x, weight, ...bias], attrs: window })),
  invalid: [
    {
      inputs: [
        [1, 2, 3],
        [1, 2, 1, 1],
      ],
      attrs: still,
      says: "conv2d: expected x [B, C, H, W] and weight [O, C, kh, kw], got [1, 2, 3] and [1, 2, 1, 1].",
    },
    {
      inputs: [
        [1, 2, 3, 3],
        [1, 2],
      ],
      attrs: still,
      says: "conv2d: expected x [B, C, H, W] and weight [O, C, kh, kw], got [1, 2, 3, 3] and [1, 2].",
    },
    {
      inputs: [
        [1, 2, 3, 3],
        [4, 3, 1, 1],
      ],
      attrs: still,
      says: "conv2d: x has 2 channels and the weight reads 3, in [1, 2, 3, 3] * [4, 3, 1, 1].",
    },
    { inputs: [[1, 2, 3, 3], [4, 2, 1, 1], [2]], attrs: still, says: "conv2d: the bias is [2] and the weight makes 4 channels." },
    { inputs: [i32([1, 2, 3, 3]), [4, 2, 1, 1]], attrs: still, says: "conv2d: expected floats, got i32 and f32." },
    {
      inputs: [
        [1, 2, 2, 3],
        [4, 2, 3, 3],
      ],
      attrs: still,
      says: "conv2d: a 3×3 window does not fit into the padded 2×3 image.",
    },
    {
      inputs: [
        [1, 2, 2, 1],
        [4, 2, 3, 3],
      ],
      attrs: { stride: [1, 1], padding: [1, 0, 0, 1] },
      says: "conv2d: a 3×3 window does not fit into the padded 3×2 image.",
    },
  ],
};

const conv2dInputGrad: Samples<AttrsOf<"conv2dInputGrad">> = {
  valid: convolution.map(({ x, weight, out, window }) => ({ inputs: [out, weight], attrs: { ...window, shape: x } })),
  invalid: [],
};

const conv2dWeightGrad: Samples<AttrsOf<"conv2dWeightGrad">> = {
  valid: convolution.map(({ x, weight, out, window }) => ({ inputs: [x, out], attrs: { ...window, shape: weight } })),
  invalid: [],
};

const resize: Samples<AttrsOf<"resize">> = {
  valid: fc
    .tuple(perhapsNone, small, edged, edged, edged, edged, fc.constantFrom("nearest", "bilinear"))
    .map(([b, c, h, w, oh, ow, mode]) => ({ inputs: [[b, c, h, w]], attrs: { size: [oh, ow] as const, mode } })),
  invalid: [
    { inputs: [[2, 3, 4]], attrs: { size: [2, 2], mode: "nearest" }, says: "resize: expected [B, C, H, W], got [2, 3, 4]." },
    { inputs: [i32([1, 1, 2, 2])], attrs: { size: [2, 2], mode: "nearest" }, says: "resize: expected floats, got i32." },
    { inputs: [[1, 1, 2, 2]], attrs: { size: [0, 2], mode: "nearest" }, says: "resize: the size is [0, 2], expected whole numbers ≥ 1." },
    {
      inputs: [[1, 1, 2, 2]],
      attrs: { size: [2, 2.5], mode: "bilinear" },
      says: "resize: the size is [2, 2.5], expected whole numbers ≥ 1.",
    },
    { inputs: [[1, 1, 0, 2]], attrs: { size: [2, 2], mode: "nearest" }, says: "resize: there is nothing to sample in [1, 1, 0, 2]." },
  ],
  // A position is off by a few units of the axis' length, and moves the mix by as much.
  bound([x], { mode }, out) {
    const axis = Math.max(x.shape[2], x.shape[3]);
    return mode === "nearest" ? () => 0 : () => bound(out.dtype, 4 * axis + 12, largest(x));
  },
};

export const product = { matmul, attention, conv2d, conv2dInputGrad, conv2dWeightGrad, resize };
