/** Sizes and strides in elements; the width D is contiguous. Strides of 0 broadcast the mask; its keys are contiguous. */
export const attentionParams = [
  "batch", "heads", "Lq", "Lk", "D",
  "qBatch", "qHead", "qToken", "kBatch", "kHead", "kToken", "vBatch", "vHead", "vToken", "oBatch", "oHead", "oToken",
  "mBatch", "mHead", "mRow", ["scale", "f32"],
] as const;
