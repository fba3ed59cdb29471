import { type DType, dense, type Expression, elementwiseOps, type Op, type Operand, SnoopiError, sizeOf, type Term } from "@snoopi/core";
import { elementwiseLaunches, packs } from "./elementwise.ts";
import type { Launch } from "./encoder.ts";
import type { Facts } from "./facts.ts";
import type { Call, Lowering } from "./lowering.ts";
import { lowerings } from "./lowerings.ts";
import { ownLowering } from "./wgsl-op.ts";

/** What launches are made with: facts of the device, and room for intermediate results. */
export type Room = Pick<Call<unknown>, "facts" | "temporary">;

/** A call of an op, with its operands where they lie. */
export interface OpCall {
  readonly op: Op<any>;
  readonly attrs: unknown;
  readonly inputs: readonly Operand[];
  readonly out: Operand;
  readonly extras: readonly Operand[];
}

export const loweringOf = (op: Op<any>): Lowering | undefined =>
  ownLowering(op) ?? (lowerings[op.name as keyof typeof lowerings] as Lowering | undefined);

/** The kernels of a call of an op. */
export function launchesOf({ op, attrs, inputs, out, extras }: OpCall, { facts, temporary }: Room): readonly Launch[] {
  const lowering = loweringOf(op);
  if (!lowering) throw new SnoopiError(`webgpu: there is no kernel for ${op.name}. Use device cpu, or write one.`);
  const call = { attrs, inputs, extras, facts, temporary };
  if (out.dtype !== "f16") return lowering.launch({ ...call, out });
  // Kernels of ops store 32-bit words. f16 results are packed by a copy, in storage order.
  const wide = { ...temporary({ shape: out.layout.shape, dtype: "f32" }), layout: out.layout };
  return [...lowering.launch({ ...call, out: wide }), ...packing(facts, wide, out)];
}

/** The kernels that evaluate an expression: one, unless the result must be packed or is too large for a binding. */
export function launchesFor(
  { term, constants }: Expression,
  inputs: readonly Operand[],
  out: Operand,
  { facts, temporary }: Room,
): Launch[] {
  if (out.dtype !== "f16" || packs(facts, inputs, out)) return elementwiseLaunches(facts, { term, constants }, inputs, out);
  const wide = temporary({ shape: out.layout.shape, dtype: "f32" });
  const widened = cast(term, "f32");
  return [...elementwiseLaunches(facts, { term: widened, constants }, inputs, wide), ...packing(facts, wide, out)];
}

const cast = (term: Term, dtype: DType): Term => ({ kind: "call", op: elementwiseOps.cast, args: [term], dtype });

/** Packs f32 into f16. Both are dense, from the start of their storage. */
function packing(facts: Facts, wide: Operand, out: Operand): Launch[] {
  const flat = (x: Operand): Operand => ({ ...x, layout: dense([sizeOf(x.layout.shape)]) });
  const term = cast({ kind: "input", index: 0, dtype: "f32" }, "f16");
  return elementwiseLaunches(facts, { term, constants: [] }, [flat(wide)], flat(out));
}
