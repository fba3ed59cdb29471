import { bytesOf, type DType } from "@snoopi/core";
import { sizeClass } from "./pool.ts";

/** Bytes that a tensor takes on a GPU, pooling included: for a dry device that stands for one. */
export const footprint = (dtype: DType, length: number): number =>
  sizeClass(Math.max(16, length * (dtype === "bool" ? 4 : bytesOf[dtype])));
