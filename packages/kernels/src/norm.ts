import { type Operand, sizeOf } from "@snoopi/core";
import { bindable, bindDense } from "./binding.ts";
import type { Launch } from "./encoder.ts";
import type { Call, Lowering } from "./lowering.ts";
import { groupApply } from "./norm/group-apply.ts";
import { groupApplyScalar } from "./norm/group-apply-scalar.ts";
import { groupApplySmall } from "./norm/group-apply-small.ts";
import { groupCoefficients } from "./norm/group-coefficients.ts";
import { groupStatisticsThread } from "./norm/group-statistics-thread.ts";
import { groupStatisticsThreadScalar } from "./norm/group-statistics-thread-scalar.ts";
import { groupStatisticsTree } from "./norm/group-statistics-tree.ts";
import { layerNormLanes } from "./norm/layer-lanes.ts";
import { layerNormLanesScalar } from "./norm/layer-lanes-scalar.ts";
import { layerNormTree } from "./norm/layer-tree.ts";
import { byRows } from "./split.ts";

type GroupNorm = Call<{ groups: number; eps: number }>;

/** Three kernels: statistics of each group's chunks, coefficients of each channel plane, and their application. */
export const groupNorm: Lowering<GroupNorm["attrs"]> = {
  accepts: (_, lies) => bindable(lies),

  launch(call) {
    const {
      inputs: [all, weight, bias],
      attrs: { groups, eps },
    } = call;
    const [batch, C, ...rest] = all.layout.shape;
    const plane = sizeOf(rest);
    const share = C / groups;
    const AFFINE = weight ? 1 : 0;
    return byRows(call, batch * groups, ({ first, count: rows, x, out }) => {
      const planes = rows * share;
      const channel = (first * share) % C;
      const found = statistics(call, x, rows, share * plane);
      const coefficients = call.temporary({ shape: [planes, 2], dtype: "f32" });
      return [
        found.launch,
        {
          kernel: groupCoefficients,
          inputs: [bindDense(found.out), bindDense(weight ?? found.out)],
          out: bindDense(coefficients),
          consts: { AFFINE },
          params: { planes, C, channel, share, eps, ...found.chunks },
          groups: Math.ceil(planes / 64),
        },
        {
          inputs: [bindDense(x), bindDense(coefficients), bindDense(bias ?? coefficients)],
          out: bindDense(out),
          consts: { AFFINE },
          params: { planes, plane, C, channel },
          ...application(planes, plane),
        },
      ];
    });
  },
};

/** Elements of a group that one thread or workgroup takes. */
const chunkSize = 4096;

/** Cuts `length` elements into equal chunks of a multiple of four; the last may be shorter. */
export function chunksOf(length: number) {
  const most = Math.max(1, Math.min(256, Math.ceil(length / chunkSize)));
  const chunk = Math.max(4, 4 * Math.ceil(length / (4 * most)));
  return { length, splits: Math.ceil(length / chunk), chunk };
}

/** Of every chunk of every row: its mean, and the sum of squared deviations from it. */
export function statistics({ facts, temporary }: Pick<Call<unknown>, "facts" | "temporary">, x: Operand, rows: number, length: number) {
  const chunks = chunksOf(length);
  const { splits } = chunks;
  const out = temporary({ shape: [rows * splits, 2], dtype: "f32" });
  const common = { inputs: [bindDense(x)], out: bindDense(out), params: { rows, ...chunks } };
  const kernel = length % 4 === 0 ? groupStatisticsThread : groupStatisticsThreadScalar;
  const launch: Launch = facts.software
    ? { ...common, kernel, groups: Math.ceil((rows * splits) / 8) }
    : { ...common, kernel: groupStatisticsTree, groups: rows * splits };
  return { launch, out, chunks };
}

function application(planes: number, plane: number) {
  const groups = planes * Math.ceil(plane / 1024);
  if (plane % 4 !== 0) return { kernel: groupApplyScalar, groups };
  return plane >= 1024 ? { kernel: groupApply, groups } : { kernel: groupApplySmall, groups: Math.ceil((planes * plane) / 256) };
}

export const layerNorm: Lowering<{ eps: number }> = {
  accepts: (_, lies) => bindable(lies),

  launch(call) {
    const {
      inputs: [all, weight, bias],
      attrs: { eps },
      facts,
    } = call;
    const { shape } = all.layout;
    const columns = shape[shape.length - 1];
    return byRows(call, sizeOf(shape) / columns, ({ count: rows, x, out }) => {
      const common = {
        inputs: [bindDense(x), bindDense(weight ?? x), bindDense(bias ?? x)],
        out: bindDense(out),
        consts: { AFFINE: weight ? 1 : 0 },
        params: { rows, columns, eps },
      };
      if (!facts.software) return [{ ...common, kernel: layerNormTree, groups: rows }];
      return [{ ...common, kernel: columns % 4 === 0 ? layerNormLanes : layerNormLanesScalar, groups: Math.ceil(rows / 8) }];
    });
  },
};
