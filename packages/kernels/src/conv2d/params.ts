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

/** Sizes of a convolution summed in parts: each of `splits` takes `rows` of the batch · OH rows of all images. */
export const splitParams = [...convParams, "splits", "rows"] as const;
