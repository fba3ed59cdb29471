import { sizeOf } from "@snoopi/core";
import { bindable, bindDense } from "./binding.ts";
import type { Launch } from "./encoder.ts";
import type { Call, Lowering } from "./lowering.ts";
import { columnSums, columnSumsScalar } from "./norm/column-sums.ts";
import { groupGradApply, groupGradApplyScalar, groupGradApplySmall } from "./norm/group-grad-apply.ts";
import { groupGradCoefficients } from "./norm/group-grad-coefficients.ts";
import { layerGradLanes } from "./norm/layer-grad-lanes.ts";
import { layerGradLanesScalar } from "./norm/layer-grad-lanes-scalar.ts";
import { layerGradTree } from "./norm/layer-grad-tree.ts";
import { joinMoments } from "./norm/moments.ts";
import { planeSumsThread } from "./norm/plane-sums-thread.ts";
import { planeSumsThreadScalar } from "./norm/plane-sums-thread-scalar.ts";
import { planeSumsTree } from "./norm/plane-sums-tree.ts";
import { chunksOf, statistics } from "./norm.ts";
import { reduceThread } from "./reduce/thread.ts";
import { byRows } from "./split.ts";
import { byPairsOfRows, type PairOfRows, pairsOfRows } from "./split-pair.ts";

const accepts: Lowering["accepts"] = (_, lies) => bindable(lies);

export const moments: Lowering<{ eps: number }> = {
  accepts,
  launch(call) {
    const [all, length] = call.inputs[0].layout.shape;
    return byRows(call, all, ({ count: rows, x, out }) => {
      const found = statistics(call, x, rows, length);
      const params = { rows, ...found.chunks, eps: call.attrs.eps };
      return [
        found.launch,
        { kernel: joinMoments, inputs: [bindDense(found.out)], out: bindDense(out), params, groups: Math.ceil(rows / 64) },
      ];
    });
  },
};

interface Groups {
  readonly groups: number;
}

/** Sizes of a call on groups: a row is one group of one image, of `share` channel planes. */
function planesOf({ inputs: [, x], attrs: { groups } }: Call<Groups>) {
  const [batch, C, ...rest] = x.layout.shape;
  return { rows: batch * groups, C, share: C / groups, plane: sizeOf(rest) };
}

export const groupNormSums: Lowering<Groups> = {
  accepts,
  launch(call) {
    const { rows, share, plane } = planesOf(call);
    return byPairsOfRows(call, rows, ({ first, count, g, x, out }) => {
      const planes = count * share;
      // Sums of nothing are zero, but the moments of nothing, by which the kernels multiply, are NaN.
      if (plane === 0) return [joined(g, out, planes, 0, 2)];
      const chunks = chunksOf(plane);
      const target = chunks.splits === 1 ? out : call.temporary({ shape: [planes, chunks.splits, 2], dtype: "f32" });
      const sums: Launch = {
        inputs: [bindDense(g), bindDense(x), bindDense(call.inputs[2])],
        out: bindDense(target),
        params: { planes, share, row: first, ...chunks },
        ...planeSums(call, planes * chunks.splits, plane),
      };
      return target === out ? [sums] : [sums, joined(target, out, planes, chunks.splits, 2)];
    });
  },
};

/** Planes shorter than this would leave most of a workgroup idle. */
const shortPlane = 64;

function planeSums({ facts }: Call<unknown>, chunks: number, plane: number): Pick<Launch, "kernel" | "groups"> {
  if (!facts.software && plane >= shortPlane) return { kernel: planeSumsTree, groups: chunks };
  return { kernel: plane % 4 === 0 ? planeSumsThread : planeSumsThreadScalar, groups: Math.ceil(chunks / 8) };
}

/** `[outer, length, inner]` summed to `[outer, inner]`. */
const joined = (x: Call<unknown>["out"], out: Call<unknown>["out"], outer: number, length: number, inner: number): Launch => ({
  kernel: reduceThread,
  inputs: [bindDense(x)],
  out: bindDense(out),
  consts: { MAX: 0 },
  params: { outer, length, inner, splits: 1, chunk: length },
  groups: Math.ceil((outer * inner) / 64),
});

export const groupNormGrad: Lowering<Groups> = {
  accepts,
  launch(call) {
    const { rows, C, share, plane } = planesOf(call);
    const [, , moments, sums, weight] = call.inputs;
    return byPairsOfRows(call, rows, ({ first, count, g, x, out }) => {
      const planes = count * share;
      const coefficients = call.temporary({ shape: [planes, 4], dtype: "f32" });
      return [
        {
          kernel: groupGradCoefficients,
          inputs: [bindDense(moments), bindDense(sums), bindDense(weight ?? moments)],
          out: bindDense(coefficients),
          consts: { AFFINE: weight ? 1 : 0 },
          params: { planes, C, channel: (first * share) % C, share, row: first, inverse: 1 / (share * plane) },
          groups: Math.ceil(planes / 64),
        },
        {
          inputs: [bindDense(g), bindDense(x), bindDense(coefficients)],
          out: bindDense(out),
          params: { planes, plane },
          ...application(planes, plane),
        },
      ];
    });
  },
};

function application(planes: number, plane: number): Pick<Launch, "kernel" | "groups"> {
  if (plane % 4 !== 0) return { kernel: groupGradApplyScalar, groups: Math.ceil((planes * plane) / 64) };
  if (plane < 1024) return { kernel: groupGradApplySmall, groups: Math.ceil((planes * plane) / 256) };
  return { kernel: groupGradApply, groups: planes * Math.ceil(plane / 1024) };
}

const columnsOf = ({ inputs: [, x] }: Call<unknown>): { rows: number; columns: number } => {
  const { shape } = x.layout;
  const columns = shape[shape.length - 1];
  return { rows: sizeOf(shape) / columns, columns };
};

export const layerNormGrad: Lowering<void> = {
  accepts,
  launch(call) {
    const { rows: all, columns } = columnsOf(call);
    const [, , moments, weight] = call.inputs;
    return byPairsOfRows(call, all, ({ first, count: rows, g, x, out }) => {
      const common = {
        inputs: [bindDense(g), bindDense(x), bindDense(moments), bindDense(weight ?? moments)],
        out: bindDense(out),
        consts: { AFFINE: weight ? 1 : 0 },
        params: { rows, columns, row: first },
      };
      if (!call.facts.software) return [{ ...common, kernel: layerGradTree, groups: rows }];
      return [{ ...common, kernel: columns % 4 === 0 ? layerGradLanes : layerGradLanesScalar, groups: Math.ceil(rows / 8) }];
    });
  },
};

/** So many threads keep any device busy; beyond that, more blocks only make more partial sums. */
const enough = 16384;

/** Sums of blocks of rows, and the sums of those: no atomics, and the same result every time. */
export const layerNormAffineGrad: Lowering<void> = {
  accepts,
  launch(call) {
    const { rows, columns } = columnsOf(call);
    const strips = columns % 4 === 0 ? columns / 4 : columns;
    const block = Math.max(16, Math.ceil((rows * strips) / enough));
    const blocksOf = ({ count }: PairOfRows) => Math.ceil(count / block);
    const parts = pairsOfRows(call, rows);
    const blocks = parts.reduce((n, part) => n + blocksOf(part), 0);
    const partial = call.temporary({ shape: [blocks, 2, columns], dtype: "f32" });
    let base = 0;
    const launches = parts.flatMap((part): Launch[] => {
      const launch: Launch = {
        kernel: columns % 4 === 0 ? columnSums : columnSumsScalar,
        inputs: [bindDense(part.g), bindDense(part.x), bindDense(call.inputs[2])],
        out: bindDense(partial),
        params: { rows: part.count, columns, block, row: part.first, base },
        groups: Math.ceil((blocksOf(part) * strips) / 64),
      };
      base += blocksOf(part);
      return [...part.before, launch];
    });
    return [...launches, joined(partial, call.out, 1, blocks, 2 * columns)];
  },
};
