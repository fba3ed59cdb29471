import type { Input } from "../kernel.ts";

/**
 * Sizes and strides in elements; widths are contiguous. `o` is the result; dk and dv have the same layout. Strides of 0 broadcast the mask;
 * its keys are contiguous.
 */
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

/** What both gradients read. `rows` holds every query's largest score, then every query's reciprocal sum, then every query's Σ g∘o. */
export const gradInputs = (width: 1 | 4): Input[] => [
  ...["q", "k", "v", "g"].map((name) => ({ name, width })),
  { name: "rows", width: 1 },
  { name: "mask", width: 1 },
];
