import { isDense, type Layout, type Operand } from "@snoopi/core";
import { elementwiseLaunch } from "./elementwise.ts";
import { type Launch } from "./encoder.ts";

/** Row-major without gaps from the first element of its storage: what a kernel that takes no strides reads. */
export const fromStart = (layout: Layout): boolean => isDense(layout) && layout.offset === 0;

/** Copies `x` into `out`, or into `layout` of it, whose other elements stay. f16 is widened. */
export const copyLaunch = (x: Operand, out: Operand, layout?: Layout): Launch =>
  elementwiseLaunch(
    { term: { kind: "input", index: 0, dtype: x.dtype === "f16" ? "f32" : x.dtype }, constants: [] },
    [x],
    { ...out, layout: layout ?? out.layout },
    { part: layout !== undefined },
  );
