import { elementwiseOps, type Layout, type Operand, type Term } from "@snoopi/core";
import { elementwiseLaunches } from "./elementwise.ts";
import type { Launch } from "./encoder.ts";
import type { Facts } from "./facts.ts";

/** Copies `x`, cast to `out`'s type, into `out` or the part of it that `layout` describes; other elements stay. f16 is read as f32. */
export function copyLaunches(facts: Facts, x: Operand, out: Operand, layout?: Layout): Launch[] {
  const read: Term = { kind: "input", index: 0, dtype: x.dtype === "f16" ? "f32" : x.dtype };
  const term: Term = read.dtype === out.dtype ? read : { kind: "call", op: elementwiseOps.cast, args: [read], dtype: out.dtype };
  return elementwiseLaunches(facts, { term, constants: [] }, [x], { ...out, layout: layout ?? out.layout }, { part: layout !== undefined });
}
