import { collapsed, dense, expanded, type Layout, type Operand, type Shape, sizeOf } from "@snoopi/core";
import { bind, bindable, bindDense } from "./binding.ts";
import { copyLaunches } from "./copy.ts";
import { type Facts, hasLanes } from "./facts.ts";
import type { Call, Lowering } from "./lowering.ts";
import { matmulGemv } from "./matmul/gemv.ts";
import { matmulLanes } from "./matmul/lanes.ts";
import { matmulLanesNn } from "./matmul/lanes-nn.ts";
import { matmulLanesNt } from "./matmul/lanes-nt.ts";
import { matmulTiled } from "./matmul/tiled.ts";
import { reduction } from "./reduce.ts";

/** Batch strides of both operands, as an outer and an inner axis; undefined where more axes remain after merging. */
function stacks(a: Layout, b: Layout, batch: Shape) {
  const own = (x: Layout) => expanded({ ...x, shape: x.shape.slice(0, -2), strides: x.strides.slice(0, -2) }, batch).strides;
  const { shape, strides } = collapsed(batch, [own(a), own(b)]);
  if (shape.length > 2) return undefined;
  const two = (s: readonly number[]) => (s.length === 2 ? { outer: s[0], inner: s[1] } : { outer: 0, inner: s[0] });
  return { batchInner: shape[shape.length - 1], a: two(strides[0]), b: two(strides[1]) };
}

export const matmul: Lowering<void> = {
  accepts: (index, lies) => index !== 2 || bindable(lies),

  launch({ inputs: [a, b, bias], out, facts, temporary }: Call<void>) {
    const shape = out.layout.shape;
    const batch = shape.slice(0, -2);
    const [M, N] = shape.slice(-2);
    const K = a.layout.shape[a.layout.shape.length - 1];
    const count = sizeOf(batch);
    const found = stacks(a.layout, b.layout, batch);
    if (!found) {
      // Batch axes that do not merge: copy both operands, batch expanded.
      const [wideA, wideB] = [a, b].map((x) => spread(facts, x, batch, temporary));
      return [
        ...wideA.launches,
        ...wideB.launches,
        ...matmul.launch({ inputs: [wideA.out, wideB.out, ...(bias ? [bias] : [])], out, extras: [], facts, temporary, attrs: undefined }),
      ];
    }
    const [A, B] = [strided(a.layout, found.a), strided(b.layout, found.b)];
    const params = {
      M,
      N,
      K,
      batch: count,
      batchInner: found.batchInner,
      aOffset: A.offset,
      aRow: A.row,
      aCol: A.col,
      aOuter: A.outer,
      aInner: A.inner,
      bOffset: B.offset,
      bRow: B.row,
      bCol: B.col,
      bOuter: B.outer,
      bInner: B.inner,
    };
    const common = { inputs: [bind(a), bind(b), bias ? bindDense(bias) : bind(a)], out: bindDense(out), params };
    const BIAS = bias ? 1 : 0;
    const fours = (...values: number[]) => values.every((v) => v % 4 === 0);
    if (hasLanes(facts)) {
      const nt = A.col === 1 && B.row === 1 && fours(K, A.offset, A.row, A.outer, A.inner, B.offset, B.col, B.outer, B.inner);
      const nn = B.col === 1 && fours(N, B.offset, B.row, B.outer, B.inner);
      if (nt && !nn) {
        const R = M <= 1 ? 1 : M <= 2 ? 2 : M <= 4 ? 4 : 8;
        const C = 4;
        return [{ ...common, kernel: matmulLanesNt, consts: { R, C, BIAS }, groups: count * Math.ceil(M / R) * Math.ceil(N / (8 * C)) }];
      }
      const [R, C] = M <= 4 ? [4, 2] : [16, N <= 32 ? 1 : 2];
      return [
        {
          ...common,
          kernel: nn ? matmulLanesNn : matmulLanes,
          consts: { R, C, BIAS },
          groups: count * Math.ceil(M / R) * Math.ceil(N / (32 * C)),
        },
      ];
    }
    if (M <= 8 && B.row === 1) return [{ ...common, kernel: matmulGemv, consts: { BIAS, ROWS: 8 }, groups: count * N }];
    const consts = { BIAS, A_K_FAST: A.col === 1 ? 1 : 0, B_K_FAST: B.row === 1 ? 1 : 0 };
    const tiles = count * Math.ceil(M / 64) * Math.ceil(N / 64);
    const parts = count === 1 && !bias ? partsOf(K, tiles) : 1;
    if (parts === 1) return [{ ...common, kernel: matmulTiled, consts, groups: tiles }];
    // Split-K: a batch of products, each over a part of K, and their sum.
    const part = K / parts;
    const stack = { K: part, batch: parts, batchInner: parts, aOuter: 0, aInner: part * A.col, bOuter: 0, bInner: part * B.row };
    const room = temporary({ shape: [parts, M * N], dtype: "f32" });
    const total: Operand = { ...out, layout: { ...dense([1, M * N]), offset: out.layout.offset } };
    return [
      { ...common, out: bindDense(room), params: { ...params, ...stack }, kernel: matmulTiled, consts, groups: tiles * parts },
      ...reduction("sum").launch({ attrs: { axes: [0] }, inputs: [room], out: total, extras: [], facts, temporary }),
    ];
  },
};

/** Groups that keep a GPU busy, and the least depth that is worth a part of its own: each part adds M·N numbers to sum. */
const enough = { groups: 256, depth: 256 };

/** Into how many equal parts K is cut where a product has few tiles, e.g. a weight's gradient, summed over every token of a batch. */
function partsOf(K: number, tiles: number): number {
  const most = Math.min(Math.floor(enough.groups / tiles), Math.floor(K / enough.depth));
  for (let parts = most; parts > 1; parts--) if (K % parts === 0) return parts;
  return 1;
}

const strided = ({ offset, strides }: Layout, stack: { outer: number; inner: number }) => ({
  offset,
  row: strides[strides.length - 2],
  col: strides[strides.length - 1],
  ...stack,
});

/** A dense copy of `x`, broadcast over the whole batch. */
function spread(facts: Facts, x: Operand, batch: Shape, temporary: Call<void>["temporary"]) {
  const shape = [...batch, ...x.layout.shape.slice(-2)];
  const out = temporary({ shape, dtype: x.dtype === "f16" ? "f32" : x.dtype });
  return { out, launches: copyLaunches(facts, { ...x, layout: expanded(x.layout, shape) }, out) };
}
