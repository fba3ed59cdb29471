import type { Input } from "../kernel.ts";

/** Sizes and strides in elements; widths are contiguous, and `o` is what is written: dk and dv lie alike. Strides of 0 broadcast the mask; its keys are contiguous. */
export const gradParams = [
  "batch",
  "heads",
  "Lq",
  "Lk",
  "D",
  ...["q", "k", "v", "g", "o"].flatMap((x) => [`${x}Batch`, `${x}Head`, `${x}Token`]),
  "mBatch",
  "mHead",
  "mRow",
  "masked",
  "causal",
  ["scale", "f32"],
] as const;

/** What both gradients read. `rows` holds every query's largest score, then the reciprocals of their sums, then Σ g∘o of each. */
export const gradInputs = (width: 1 | 4): Input[] => [
  ...["q", "k", "v", "g"].map((name) => ({ name, width })),
  { name: "rows", width: 1 },
  { name: "mask", width: 1 },
];
