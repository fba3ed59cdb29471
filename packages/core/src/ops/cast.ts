import { checkType, type DType, isFloat, wholeLimits, wholeOf } from "../dtype.ts";
import type { Elementwise } from "../op.ts";
import { apply, share, type Tensor } from "../tensor.ts";
import { elementwise } from "./elementwise.ts";

export const castOp: Elementwise<{ dtype: DType }> = {
  ...elementwise<{ dtype: DType }>({ name: "cast" }, 1, (_, [x]) => x),
  infer([{ shape }], { dtype }) {
    checkType("cast", dtype);
    return { shape, dtype };
  },
  reference([x], { dtype }, out) {
    const limits = isFloat(x.dtype) ? wholeLimits[dtype] : undefined;
    for (let i = 0; i < out.data.length; i++) {
      const v = x.data[i];
      out.data[i] = dtype === "bool" ? (v === 0 ? 0 : 1) : limits ? wholeOf(v, limits) : v;
    }
  },
  vjp: (g, { inputs: [x] }) => [isFloat(x.dtype) ? cast(g, x.dtype) : null],
};

/**
 * `x` as another element type. Anything but zero is true; floats are truncated towards zero to integers and clamped to their range, and NaN
 * becomes 0.
 */
export const cast = (x: Tensor, dtype: DType): Tensor => (x.dtype === dtype ? share(x) : apply(castOp, [x], { dtype }));
