import { elementwiseOps, type Layout, type Operand, type Term } from "@snoopi/core";
import { elementwiseLaunches } from "./elementwise.ts";
import type { Launch } from "./encoder.ts";
import type { Facts } from "./facts.ts";

/** Copies `x` into `out`, or into `layout` of it, whose other elements stay, as elements of its type. f16 is widened. */
export function copyLaunches(facts: Facts, x: Operand, out: Operand, layout?: Layout): Launch[] {
  const read: Term = { kind: "input", index: 0, dtype: x.dtype === "f16" ? "f32" : x.dtype };
  const term: Term = read.dtype === out.dtype ? read : { kind: "call", op: elementwiseOps.cast, args: [read], dtype: out.dtype };
  return elementwiseLaunches(facts, { term, constants: [] }, [x], { ...out, layout: layout ?? out.layout }, { part: layout !== undefined });
}
