import { type DType, isFloat, promote } from "../dtype.ts";
import { kindOf, OpError } from "../error.ts";
import { placesOf } from "../layout.ts";
import { meeting } from "../meeting.ts";
import type { Elementwise, Spec } from "../op.ts";
import type { Scalar } from "../scalar.ts";
import { broadcast, type Shape, sameShape } from "../shape.ts";
import { apply, isTensor, type Tensor } from "../tensor.ts";
import { checkFits, full, fullOp } from "./full.ts";
import { sumTo } from "./sum.ts";

/** A tensor, or a number that becomes one of the other operand's type. */
export type Like = Tensor | number;

type Result = (inputs: readonly DType[]) => DType;

/** The type the operands are promoted to. */
export const common: Result = (inputs) => inputs.reduce(promote);
/** As {@link common}, but integers and booleans become f32: for functions whose values are not whole. */
export const real: Result = (inputs) => {
  const dtype = common(inputs);
  return isFloat(dtype) ? dtype : "f32";
};
export const truth: Result = () => "bool";

export interface Row {
  readonly name: string;
  /** Whether a number combined with f16 is kept in f32, as in PyTorch: f16 cannot hold a factor of 10⁵ or 10⁻⁸. */
  readonly wideNumbers?: boolean;
  /** Of the result. Default {@link common}. */
  readonly dtype?: Result;
}

/** A function of one tensor. `vjp(g, x, y)` gives the cotangent of x. */
export function unary(row: Row, f: <T>(s: Scalar<T>, x: T) => T, vjp?: (g: Tensor, x: Tensor, y: Tensor) => Tensor) {
  const op: Elementwise = {
    ...elementwise(row, 1, (s, [x]) => f(s, x)),
    ...(vjp && { vjp: (g, { inputs: [x], output }) => [vjp(g, x, output)] }),
  };
  return Object.assign((x: Tensor): Tensor => apply(op, [x], undefined), { op });
}

/** A function of two tensors, broadcast together. `vjp(g, a, b, y)` gives both cotangents, before broadcasting is undone. */
export function binary(
  row: Row,
  f: <T>(s: Scalar<T>, a: T, b: T) => T,
  vjp?: (g: Tensor, a: Tensor, b: Tensor, y: Tensor) => readonly [Tensor, Tensor],
) {
  const op: Elementwise = {
    ...elementwise(row, 2, (s, [a, b]) => f(s, a, b)),
    ...(vjp && {
      vjp: (g, { inputs: [a, b], output }) => {
        const [da, db] = vjp(g, a, b, output);
        return [unbroadcast(da, a.shape), unbroadcast(db, b.shape)];
      },
    }),
  };
  return Object.assign((a: Like, b: Like): Tensor => apply(op, lift(row, [a, b]), undefined), { op });
}

/** Numbers become constants of the tensors' type, or of i32 or f32 where that cannot hold them. */
export function lift({ name: op, wideNumbers }: Row, operands: readonly Like[]): Tensor[] {
  const tensor = operands.find(isTensor);
  for (const v of operands) {
    if (!isTensor(v) && typeof v !== "number") throw new OpError(op, `an operand is ${kindOf(v)}, expected a tensor or a number`);
  }
  if (!tensor) return operands.map((v) => full([], v as number));
  const tensors = operands.filter(isTensor).map((t) => t.dtype);
  return operands.map((v) => {
    if (isTensor(v)) return v;
    const dtype = common(tensors);
    const fits = isFloat(dtype) || (Number.isInteger(v) && dtype !== "bool" && (v >= 0 || dtype === "i32"));
    const own = fits ? dtype : Number.isInteger(v) ? "i32" : "f32";
    checkFits(op, v, own, 'Cast the tensor first with x.to("f32").');
    const readAs = wideNumbers && own === "f16" ? { readAs: "f32" as const } : {};
    return apply(fullOp, [], { shape: [], value: v, dtype: own, ...readAs }, tensor.device);
  });
}

export function elementwise<A = void>({ name, dtype = common }: Row, arity: number, formula: Elementwise["formula"]): Elementwise<A> {
  return {
    name,
    arity,
    formula,
    infer: (inputs: readonly Spec[]) => ({
      shape: inputs.map((x) => x.shape).reduce((a, b) => broadcast(name, a, b)),
      dtype: dtype(inputs.map((x) => x.dtype)),
    }),
    reference(inputs, _, out) {
      const places = inputs.map((x) => placesOf(x.shape, out.shape));
      const { scalar, become } = meeting(
        inputs.map((x) => x.dtype),
        out.dtype,
      );
      const as = inputs.map((x) => become(x.dtype) ?? ((v: number) => v));
      for (let i = 0; i < out.data.length; i++) {
        out.data[i] = formula(
          scalar,
          inputs.map((x, k) => as[k](x.data[places[k][i]])),
        );
      }
    },
  };
}

/** The transpose of broadcasting: sum the cotangent back down to `shape`. */
export const unbroadcast = (g: Tensor, shape: Shape): Tensor => (sameShape(g.shape, shape) ? g : sumTo(g, shape));
