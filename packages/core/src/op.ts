import type { DType, TypedArray } from "./dtype.ts";
import type { Layout } from "./layout.ts";
import type { Scalar } from "./scalar.ts";
import type { Shape } from "./shape.ts";
import type { Tensor } from "./tensor.ts";

/** What is known of a tensor before anything runs. */
export interface Spec {
  readonly shape: Shape;
  readonly dtype: DType;
}

/** What a reference reads and writes: dense row-major numbers. f16 arrives widened. */
export interface Value extends Spec {
  readonly data: Exclude<TypedArray, Uint16Array>;
}

export interface Pullback<A> {
  readonly inputs: readonly Tensor[];
  readonly output: Tensor;
  readonly attrs: A;
}

/** Everything the library knows about one operation. */
export interface Op<A = void> {
  readonly name: string;
  /** Decides whether a call is legal and what it returns. Throws where it is not. */
  infer(inputs: readonly Spec[], attrs: A): Spec;
  /** Further results beside the first, e.g. what a backward pass will read. `vjp` is of the first alone. Default none. */
  extras?(inputs: readonly Spec[], attrs: A): readonly Spec[];
  /** What the op means, on the CPU. Written to be read, not to be fast. Throws for what only elements tell, such as an id without a row. */
  reference(inputs: readonly Value[], attrs: A, out: Value, extras: readonly Value[]): void;
  /** One cotangent per input, built from other ops. Omitted where the op is not differentiable. */
  vjp?(g: Tensor, ctx: Pullback<A>): readonly (Tensor | null)[];
  /** Floating-point operations of a call. Omitted where it is about one per output element. */
  cost?(inputs: readonly Spec[], attrs: A, out: Spec): number;
}

/** An op that only looks at its input differently. It has no reference and no kernel. */
export interface ViewOp<A = void> extends Pick<Op<A>, "name" | "infer" | "vjp"> {
  /** The input's elements under the output's shape, or undefined where this needs a copy of the input first. */
  view(layout: Layout, attrs: A, shape: Shape): Layout | undefined;
  /** Set where the view is of a further result of the call that made the input: gives its index. */
  readonly extra?: (attrs: A) => number;
}

/** An op that is one formula applied at every element, with its inputs broadcast together. */
export interface Elementwise<A = void> extends Op<A> {
  readonly arity: number;
  readonly formula: <T>(s: Scalar<T>, x: readonly T[]) => T;
}

/** An op whose elements are all one number. Formulas read the number itself, and only other readers need storage for it. */
export interface Constant<A> extends Op<A> {
  readonly constant: (attrs: A) => number;
  /** The type in which a formula reads it, where that is not the type it has when it is stored. */
  readonly readAs?: (attrs: A) => DType | undefined;
}

export type AnyOp = Op<any> | ViewOp<any> | Elementwise<any> | Constant<any>;
export const isView = (op: AnyOp): op is ViewOp<any> => "view" in op;
export const isElementwise = (op: AnyOp): op is Elementwise<any> => "formula" in op;
export const isConstant = (op: AnyOp): op is Constant<any> => "constant" in op;
