import { isDense, type Operand, type Placement, sizeOf } from "@snoopi/core";
import type { Bound } from "./encoder.ts";
import type { Block } from "./pool.ts";

const bytesOf = (x: Pick<Operand, "dtype">): number => (x.dtype === "f16" ? 2 : 4);

/** Elements between places where WebGPU lets a binding start: 256 bytes. */
const alignmentOf = (x: Pick<Operand, "dtype">): number => 256 / bytesOf(x);

/** The whole block of an operand: for kernels that are told offsets and strides. */
export const bind = ({ storage, dtype }: Operand): Bound => ({ block: storage.buffer as Block, dtype });

/** Row-major without gaps from a place where a binding may start: what kernels that take no strides read. */
export const bindable = (x: Placement): boolean => isDense(x.layout) && x.layout.offset % alignmentOf(x) === 0;

/** Only the elements of a {@link bindable} operand. */
export function bindDense(x: Operand): Bound {
  const { block, dtype } = bind(x);
  const bytes = Math.max(16, Math.ceil((sizeOf(x.layout.shape) * bytesOf(x)) / 16) * 16);
  // A block is rounded up by less than a quarter: beyond that, the operand is part of a larger tensor.
  if (x.layout.offset === 0 && bytes * 1.25 + 256 >= block.bytes) return { block, dtype };
  const offset = x.layout.offset * bytesOf(x);
  return { block, dtype, offset, bytes: Math.min(bytes, block.bytes - offset) };
}

/** The stretch of its block that an operand's elements lie in: where it starts, as elements and for a binding, and how long it is. */
export function stretch(x: Operand): { first: number; bytes: number } {
  const { shape, strides, offset } = x.layout;
  const last = strides.reduce((at, s, i) => at + s * Math.max(0, shape[i] - 1), offset);
  const alignment = alignmentOf(x);
  const first = Math.floor(offset / alignment) * alignment;
  return { first, bytes: Math.ceil(((last - first + 1) * bytesOf(x)) / 16) * 16 };
}

/** Binds no more than an operand's stretch, where its block is larger than a binding may be. `first` is the element it begins with. */
export function bindStretch(x: Operand, limit: number): { bound: Bound; first: number } {
  const whole = bind(x);
  if (whole.block.bytes <= limit) return { bound: whole, first: 0 };
  const { first, bytes } = stretch(x);
  const offset = first * bytesOf(x);
  return { bound: { ...whole, offset, bytes: Math.min(bytes, whole.block.bytes - offset) }, first };
}

/** Whether an operand fits into one binding. */
export const fits = (x: Operand, limit: number): boolean => (x.storage.buffer as Block).bytes <= limit || stretch(x).bytes <= limit;
