/** Properties of a device by which kernels are chosen. */
export interface Facts {
  /** Lanes of a subgroup; undefined unless all subgroups of the device have the same size. */
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
