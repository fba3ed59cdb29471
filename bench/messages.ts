/** From the parent. `samples` of `times` runs each, in the case prepared last. */
export type Ask =
  | { readonly kind: "open" }
  | { readonly kind: "prepare"; readonly name: string }
  | { readonly kind: "measure"; readonly samples: number; readonly times: number };

/** From the parent to a library that trains: a network by its name, to be prepared and trained for some steps, and what is asked about it. */
export type TrainAsk =
  | { readonly kind: "train"; readonly name: string; readonly steps: number }
  | { readonly kind: "time"; readonly what: "step" | "forward"; readonly samples: number }
  | { readonly kind: "facts" };

/** Milliseconds for one run: by the clock, and of CPU time on all threads of the process. */
export interface Sample {
  readonly wall: number;
  readonly cpu: number;
}

/** One training step, and JavaScript's part of it: until the call returned, and until the loss was requested as well. */
export interface StepSample extends Sample {
  readonly call?: number;
  readonly asked?: number;
}

/** Peak memory of the steps, as far as it can be seen. */
export interface Held {
  /** Bytes of GPU buffers at most. */
  readonly bufferBytes?: number;
  /** Bytes that tensors held at most. */
  readonly tensorBytes?: number;
}

/** What one step asks of WebGPU. */
export interface Asked {
  readonly dispatches?: number;
  /** Milliseconds of JavaScript for a loop that makes only the calls of a step. */
  readonly bare?: number;
}

/** To the parent. `bytes` is the size of the result. */
export type Answer =
  | { readonly kind: "opened"; readonly version: string }
  | { readonly kind: "prepared"; readonly error: number; readonly bytes: number; readonly first: Sample; readonly once: Sample }
  | { readonly kind: "unsupported" }
  | { readonly kind: "measured"; readonly samples: readonly Sample[] }
  | ({ readonly kind: "trained"; readonly losses: readonly number[]; readonly first: Sample } & Held)
  | { readonly kind: "timed"; readonly samples: readonly StepSample[] }
  | ({ readonly kind: "facts" } & Asked)
  | { readonly kind: "failed"; readonly message: string };
