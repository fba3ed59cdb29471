import { isDense, type Operand, type Placement, sizeOf } from "@snoopi/core";
import type { Bound } from "./encoder.ts";
import type { Block } from "./pool.ts";

const bytesOf = (x: Pick<Operand, "dtype">): number => (x.dtype === "f16" ? 2 : 4);

/** WebGPU's alignment of binding offsets, 256 bytes, in elements. */
const alignmentOf = (x: Pick<Operand, "dtype">): number => 256 / bytesOf(x);

/** Binds an operand's whole block, for kernels that get offsets and strides as parameters. */
export const bind = ({ storage, dtype }: Operand): Bound => ({ block: storage.buffer as Block, dtype });

/** Row-major without gaps, at an offset where a binding may start: what kernels without stride parameters read. */
export const bindable = (x: Placement): boolean => isDense(x.layout) && x.layout.offset % alignmentOf(x) === 0;

/** Binds only the elements of a {@link bindable} operand. */
export function bindDense(x: Operand): Bound {
  const { block, dtype } = bind(x);
  const bytes = Math.max(16, Math.ceil((sizeOf(x.layout.shape) * bytesOf(x)) / 16) * 16);
  // Rounding enlarges a block by less than a quarter: in a larger block, the operand is part of a larger tensor.
  if (x.layout.offset === 0 && bytes * 1.25 + 256 >= block.bytes) return { block, dtype };
  const offset = x.layout.offset * bytesOf(x);
  return { block, dtype, offset, bytes: Math.min(bytes, block.bytes - offset) };
}

/** The part of its block that holds an operand's elements: the first element, aligned down for a binding, and the size. */
export function stretch(x: Operand): { first: number; bytes: number } {
  const { shape, strides, offset } = x.layout;
  const last = strides.reduce((at, s, i) => at + s * Math.max(0, shape[i] - 1), offset);
  const alignment = alignmentOf(x);
  const first = Math.floor(offset / alignment) * alignment;
  return { first, bytes: Math.ceil(((last - first + 1) * bytesOf(x)) / 16) * 16 };
}

/** Binds an operand's whole block, or only its stretch where the block exceeds `limit`. `first` is the first element bound. */
export function bindStretch(x: Operand, limit: number): { bound: Bound; first: number } {
  const whole = bind(x);
  if (whole.block.bytes <= limit) return { bound: whole, first: 0 };
  const { first, bytes } = stretch(x);
  const offset = first * bytesOf(x);
  return { bound: { ...whole, offset, bytes: Math.min(bytes, whole.block.bytes - offset) }, first };
}

/** Whether an operand fits into one binding. */
export const fits = (x: Operand, limit: number): boolean => (x.storage.buffer as Block).bytes <= limit || stretch(x).bytes <= limit;
