import { type DType, isFloat, promote } from "./dtype.ts";
import { integers, numbers, type Scalar } from "./scalar.ts";

/** How a formula is computed with JavaScript's numbers where operands of several types meet. */
export interface Meeting {
  /** The arithmetic of the type they meet in. */
  readonly scalar: Scalar<number>;
  /** What an element of an operand becomes first, where that changes it: f32 does not hold every integer, nor i32 every u32. */
  become(from: DType): ((v: number) => number) | undefined;
}

/** Operands meet in their widest type, and integers whose result is none in f32. */
export function meeting(operands: readonly DType[], result: DType): Meeting {
  const widest = operands.reduce(promote);
  const type = isFloat(result) && !isFloat(widest) ? result : widest;
  return {
    scalar: type === "i32" || type === "u32" ? integers : numbers,
    become(from) {
      const whole = from === "i32" || from === "u32";
      if (whole && (type === "f32" || type === "f16")) return Math.fround;
      return type === "i32" && from === "u32" ? (v) => v | 0 : undefined;
    },
  };
}
