import { checkType, type DType, isFloat } from "../dtype.ts";
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
    const truncates = dtype === "i32" || dtype === "u32";
    for (let i = 0; i < out.data.length; i++) {
      const v = x.data[i];
      out.data[i] = dtype === "bool" ? (v === 0 ? 0 : 1) : truncates ? Math.trunc(v) : v;
    }
  },
  vjp: (g, { inputs: [x] }) => [isFloat(x.dtype) ? cast(g, x.dtype) : null],
};

/** `x` as another element type: floats truncate towards zero on the way to integers, and anything but zero is true. */
export const cast = (x: Tensor, dtype: DType): Tensor => (x.dtype === dtype ? share(x) : apply(castOp, [x], { dtype }));
