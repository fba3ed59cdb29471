/** Sizes, and element strides: `a[row, k]` is at `aOffset + outer·aOuter + inner·aInner + row·aRow + k·aCol`, `b[k, col]` likewise. */
export const matmulParams = [
  "M",
  "N",
  "K",
  "batch",
  "batchInner",
  "aOffset",
  "aRow",
  "aCol",
  "aOuter",
  "aInner",
  "bOffset",
  "bRow",
  "bCol",
  "bOuter",
  "bInner",
] as const;
