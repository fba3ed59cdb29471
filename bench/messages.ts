/** From the parent. `samples` of `times` runs each, in the case prepared last. */
export type Ask =
  | { readonly kind: "open" }
  | { readonly kind: "prepare"; readonly name: string }
  | { readonly kind: "measure"; readonly samples: number; readonly times: number };

/** Milliseconds for one run: by the clock, and of CPU time on all threads of the process. */
export interface Sample {
  readonly wall: number;
  readonly cpu: number;
}

/** To the parent. `bytes` is the size of the result. */
export type Answer =
  | { readonly kind: "opened"; readonly version: string }
  | { readonly kind: "prepared"; readonly error: number; readonly bytes: number; readonly first: Sample; readonly once: Sample }
  | { readonly kind: "unsupported" }
  | { readonly kind: "measured"; readonly samples: readonly Sample[] }
  | { readonly kind: "failed"; readonly message: string };
