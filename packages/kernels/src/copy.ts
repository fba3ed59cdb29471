import type { Layout, Operand } from "@snoopi/core";
import { elementwiseLaunches } from "./elementwise.ts";
import type { Launch } from "./encoder.ts";
import type { Facts } from "./facts.ts";

/** Copies `x` into `out`, or into `layout` of it, whose other elements stay. f16 is widened. */
export const copyLaunches = (facts: Facts, x: Operand, out: Operand, layout?: Layout): Launch[] =>
  elementwiseLaunches(
    facts,
    { term: { kind: "input", index: 0, dtype: x.dtype === "f16" ? "f32" : x.dtype }, constants: [] },
    [x],
    { ...out, layout: layout ?? out.layout },
    { part: layout !== undefined },
  );
