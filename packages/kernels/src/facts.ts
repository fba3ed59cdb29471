/** What kernels choose by. */
export interface Facts {
  /** Lanes of a subgroup, where the device has subgroups of one size only. */
  readonly subgroupSize: number | undefined;
  /** A CPU that poses as a GPU, e.g. Mesa's lavapipe: workgroup memory and barriers are slow, loads dominate. */
  readonly software: boolean;
  readonly maxBindingBytes: number;
  readonly maxBufferBytes: number;
  /** Tensors that one kernel can read beside the one it writes. */
  readonly maxInputs: number;
}

/** Subgroups of exactly eight lanes: the vector width of a CPU, where shuffles cost less than workgroup memory. */
export const hasLanes = (facts: Facts): boolean => facts.subgroupSize === 8;
