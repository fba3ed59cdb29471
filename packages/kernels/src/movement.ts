import { dense, type Expression, type Layout, type Shape, sizeOf } from "@snoopi/core";
import { copyLaunches } from "./copy.ts";
import { elementwiseLaunches } from "./elementwise.ts";
import type { Lowering } from "./lowering.ts";

interface Pad {
  readonly before: readonly number[];
  readonly steps: readonly number[];
  readonly value: number;
}

/** Fills everything with the margin's value, then copies the input over it. */
export const pad: Lowering<Pad> = {
  accepts: () => true,
  launch({ attrs: { before, steps, value }, inputs: [x], out, facts }) {
    const whole = dense(out.layout.shape);
    const fill: Expression = { term: { kind: "constant", index: 0, dtype: out.dtype }, constants: [value] };
    const offset = before.reduce((sum, b, i) => sum + b * whole.strides[i], 0);
    const inside: Layout = { shape: x.layout.shape as Shape, strides: whole.strides.map((s, i) => s * steps[i]), offset };
    return [...elementwiseLaunches(facts, fill, [], out), ...(sizeOf(x.layout.shape) === 0 ? [] : copyLaunches(facts, x, out, inside))];
  },
};
