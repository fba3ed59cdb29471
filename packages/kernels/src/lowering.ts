import type { Layout, Operand, Placement, Spec } from "@snoopi/core";
import type { Launch } from "./encoder.ts";
import type { Facts } from "./facts.ts";

/** One call of an op, with its operands where they lie. */
export interface Call<A> {
  readonly attrs: A;
  readonly inputs: readonly Operand[];
  readonly out: Operand;
  /** Room for the op's further results. */
  readonly extras: readonly Operand[];
  readonly facts: Facts;
  /** Room for intermediate results, freed after the call. */
  temporary(spec: Spec): Operand;
}

/** How an op becomes kernels: which layouts they read in place, and what is launched. */
export interface Lowering<A = any> {
  /** Default: dense inputs only, starting anywhere. */
  accepts?(index: number, lies: Placement, attrs: A): boolean;
  /** As {@link Device.orderOf}: the order in which result `index` is written. Default row-major. */
  order?(index: number, inputs: readonly Layout[]): readonly number[] | undefined;
  launch(call: Call<A>): readonly Launch[];
}
