/** Sizes of a convolution; padding on the right and below follows from OH and OW. */
export const convParams = [
  "batch",
  "I",
  "O",
  "H",
  "W",
  "OH",
  "OW",
  "KH",
  "KW",
  "strideY",
  "strideX",
  "padTop",
  "padLeft",
  "dilationY",
  "dilationX",
] as const;
