import type { Like } from "../ops/elementwise.ts";
import type { Tensor } from "../tensor.ts";

/** One parameter, or many end to end, on its way through a step. All are of one float type, f32 or f64. */
export interface Moving {
  readonly parameter: Tensor;
  /** Records the gradient anew at each call: an expression that is read only once fuses into its reader. */
  readonly gradient: () => Tensor;
  readonly slots: readonly Tensor[];
}

/** How an optimiser moves a parameter. Everything is arithmetic per element. */
export interface Rule {
  readonly name: string;
  /** What is remembered for each element, zero at first: PyTorch's names. */
  readonly slots: readonly string[];
  /** Numbers that depend on the step count, after `steps` steps. */
  factors(steps: number): readonly number[];
  /** The same as a recurrence of scalars, for when only the device knows the step count. */
  nextFactors(factors: readonly Tensor[]): readonly Tensor[];
  /** The slots after a step. */
  remember(moving: Moving, factors: readonly Like[]): readonly Tensor[];
  /** The parameter after a step, from the slots after it. */
  move(moving: Moving, how: { readonly factors: readonly Like[]; readonly lr: Like }): Tensor;
}
