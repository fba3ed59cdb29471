import { sizeOf } from "@snoopi/core";
import { bindable, bindDense } from "./binding.ts";
import type { Lowering } from "./lowering.ts";
import { softmaxLanes } from "./softmax/lanes.ts";
import { softmaxLanesScalar } from "./softmax/lanes-scalar.ts";
import { softmaxTree } from "./softmax/tree.ts";
import { byRows } from "./split.ts";

export const softmax: Lowering<void> = {
  accepts: (_, layout) => bindable(layout),

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
