import type { Tensor } from "../tensor.ts";

/** What a part of training remembers between steps, by name. The tensors are handles in the caller's scope. */
export interface PartState {
  readonly numbers: Readonly<Record<string, number>>;
  readonly tensors: Readonly<Record<string, Tensor>>;
}

/** A part of training that can be saved and resumed. */
export interface Stateful {
  state(): PartState;
  /** Takes over the values of a state with the same names and shapes. */
  restore(state: PartState): void;
}
