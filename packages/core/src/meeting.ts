import { type DType, isFloat, promote } from "./dtype.ts";
import { integers, numbers, type Scalar } from "./scalar.ts";

/** How a formula over operands of several types is computed with JavaScript numbers. */
export interface Meeting {
  /** The arithmetic of the operands' common type. */
  readonly scalar: Scalar<number>;
  /** How an element of an operand is converted first, where that changes it: f32 does not hold every integer, nor i32 every u32. */
  become(from: DType): ((v: number) => number) | undefined;
}

/** Operands are converted to their widest type; integers with a float result, to its type. */
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
