import { sizeOf } from "@snoopi/core";
import { bindable, bindDense } from "./binding.ts";
import type { Lowering } from "./lowering.ts";
import { softmaxGradLanes } from "./softmax/grad-lanes.ts";
import { softmaxGradLanesScalar } from "./softmax/grad-lanes-scalar.ts";
import { softmaxGradTree } from "./softmax/grad-tree.ts";
import { softmaxLanes } from "./softmax/lanes.ts";
import { softmaxLanesScalar } from "./softmax/lanes-scalar.ts";
import { softmaxTree } from "./softmax/tree.ts";
import { byRows } from "./split.ts";
import { byPairsOfRows } from "./split-pair.ts";

export const softmax: Lowering<void> = {
  accepts: (_, lies) => bindable(lies),

  launch(call) {
    const { shape } = call.inputs[0].layout;
    const columns = shape[shape.length - 1];
    return byRows(call, sizeOf(shape) / columns, ({ count: rows, x, out }) => {
      const common = { inputs: [bindDense(x)], out: bindDense(out), params: { rows, columns } };
      if (!call.facts.software) return [{ ...common, kernel: softmaxTree, groups: rows }];
      return [{ ...common, kernel: columns % 4 === 0 ? softmaxLanes : softmaxLanesScalar, groups: Math.ceil(rows / 8) }];
    });
  },
};

export const softmaxGrad: Lowering<void> = {
  accepts: (_, lies) => bindable(lies),

  launch(call) {
    const { shape } = call.inputs[1].layout;
    const columns = shape[shape.length - 1];
    return byPairsOfRows(call, sizeOf(shape) / columns, ({ count: rows, g, x: y, out }) => {
      const common = { inputs: [bindDense(g), bindDense(y)], out: bindDense(out), params: { rows, columns } };
      if (!call.facts.software) return [{ ...common, kernel: softmaxGradTree, groups: rows }];
      return [{ ...common, kernel: columns % 4 === 0 ? softmaxGradLanes : softmaxGradLanesScalar, groups: Math.ceil(rows / 8) }];
    });
  },
};
