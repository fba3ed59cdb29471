import { bytesOf, type DType } from "@snoopi/core";
import { sizeClass } from "./pool.ts";

/** Bytes of one element on the GPU: booleans take a word. */
export const gpuBytes = (dtype: DType): number => (dtype === "bool" ? 4 : bytesOf[dtype]);

/** Bytes to ask the pool for. A block is never smaller than one read of four elements. */
export const bytesFor = (dtype: DType, length: number): number => Math.max(16, length * gpuBytes(dtype));

/** Bytes that a tensor takes on a GPU, the pool's rounding included: for a dry device that stands in for one. */
export const footprint = (dtype: DType, length: number): number => sizeClass(bytesFor(dtype, length));
