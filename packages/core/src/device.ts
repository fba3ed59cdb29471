import type { DType, TypedArray } from "./dtype.ts";
import type { Expression } from "./fuse.ts";
import type { Layout } from "./layout.ts";
import type { Node, Storage } from "./node.ts";
import type { Op, Spec } from "./op.ts";

/** An input or output of a kernel: elements of `dtype` in `storage`, laid out by `layout`. */
export interface Operand {
  readonly storage: Storage;
  readonly layout: Layout;
  readonly dtype: DType;
}

/** How an operand is laid out: all that decides whether a kernel can read it in place. */
export type Placement = Pick<Operand, "layout" | "dtype">;

/** Bytes held by live tensors and by the device in all, and the most that live tensors ever held. */
export interface MemoryReport {
  readonly tensors: number;
  readonly bytes: number;
  readonly peakBytes: number;
  /** Bytes the device keeps for reuse, beside `bytes`. */
  readonly pooledBytes: number;
  /** The most that live tensors and the pool held together: what the system gave at most. */
  readonly peakDeviceBytes: number;
}

/** Calls that were collected once and run many times, on the same storages. */
export interface Program extends Disposable {
  /** Kernels started by one {@link Program.replay}. */
  readonly dispatches: number;
  /** Makes the calls, after whatever was encoded before; the last of them wait for the next {@link Device.submit}. */
  replay(): void;
}

/** What core requires of a backend. `cpu` is one; `webgpu()` of `@snoopi/kernels` is another. */
export interface Device {
  readonly name: string;
  /** Most inputs one elementwise kernel may read. */
  readonly maxInputs: number;
  /** Throws when elements of this type cannot live here. */
  supports(dtype: DType): void;
  /** Room for `length` elements. The content is arbitrary. */
  allocate(dtype: DType, length: number): Storage;
  /** Room for `data`, filled with it. */
  upload(dtype: DType, data: TypedArray): Storage;
  /** Whether the kernel of `op` can read input `index` with its layout; otherwise it gets a dense copy. */
  accepts(op: Op<any>, attrs: unknown, index: number, lies: Placement): boolean;
  /**
   * The order of the axes, slowest first, in which the kernel of `op` writes result `index` (further results follow the first), given its
   * inputs' layouts. Undefined means row-major. A kernel that writes the order its reader wants saves a copy.
   */
  orderOf?(op: Op<any>, index: number, inputs: readonly Layout[]): readonly number[] | undefined;
  /** `extras`: room for the op's further results. */
  run(op: Op<any>, attrs: unknown, inputs: readonly Operand[], out: Operand, extras: readonly Operand[]): void;
  /** Evaluates `expression` at every element of `out`. Inputs have been broadcast to its shape. */
  elementwise(expression: Expression, inputs: readonly Operand[], out: Operand): void;
  /**
   * Collects the calls that `calls` makes on this device instead of running them. Storages allocated meanwhile belong to the program: one
   * may serve several values in turn, and none is given to anybody else before the program is disposed of.
   */
  capture(calls: () => void): Program;
  /**
   * What to wait for before `pending` nodes may run, such as a compiler: rejects with what it found wrong, while all of them are still
   * recorded. Undefined when there is nothing to wait for.
   */
  ready?(pending: () => readonly Node[]): Promise<void> | undefined;
  /** Hands over what was encoded so far; does not wait. */
  submit(): void;
  /** Resolves when everything submitted has run; rejects if the device was lost or refused something. */
  idle(): Promise<void>;
  /** `length` elements from the start of a storage, in the host form of `dtype`. */
  read(storage: Storage, dtype: DType, length: number): Promise<TypedArray>;
  memory(): MemoryReport;
  /** Returns what is kept for reuse to the system: worth it between parts of a program that need different sizes. */
  trim(): void;
}

/** FLOPs of a call, by the op's own account or one per output element. */
export const costOf = (op: Op<any>, inputs: readonly Spec[], attrs: unknown, out: Spec): number =>
  op.cost?.(inputs, attrs, out) ?? out.shape.reduce((n, d) => n * d, 1);
