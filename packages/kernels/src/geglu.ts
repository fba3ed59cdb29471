import { sizeOf } from "@snoopi/core";
import { bindable, bindDense } from "./binding.ts";
import { geglu as forward, gegluScalar } from "./geglu/forward.ts";
import { gegluGrad as backward, gegluGradScalar } from "./geglu/grad.ts";
import type { Call, Lowering } from "./lowering.ts";
import { byRows } from "./split.ts";
import { byPairsOfRows } from "./split-pair.ts";

/** Number of rows, each a value and a gate, and the length of either half. */
function rowsOf({ shape }: Call<void>["out"]["layout"]): { rows: number; half: number } {
  const width = shape[shape.length - 1];
  return { rows: sizeOf(shape) / width, half: width / 2 };
}

export const geglu: Lowering<void> = {
  accepts: (_, lies) => bindable(lies),
  launch(call) {
    const { rows: all, half } = rowsOf(call.inputs[0].layout);
    const kernel = half % 4 === 0 ? forward : gegluScalar;
    return byRows(call, all, ({ count: rows, x, out }) => [
      { kernel, inputs: [bindDense(x)], out: bindDense(out), params: { rows, half }, groups: rows },
    ]);
  },
};

export const gegluGrad: Lowering<void> = {
  accepts: (_, lies) => bindable(lies),
  launch(call) {
    const { rows: all, half } = rowsOf(call.out.layout);
    const kernel = half % 4 === 0 ? backward : gegluGradScalar;
    return byPairsOfRows(call, all, ({ count: rows, g, x, out }) => [
      { kernel, inputs: [bindDense(g), bindDense(x)], out: bindDense(out), params: { rows, half }, groups: rows },
    ]);
  },
};
