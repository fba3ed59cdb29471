import { fromData } from "../create.ts";
import { isFloat } from "../dtype.ts";
import { OpError } from "../error.ts";
import type { Op } from "../op.ts";
import { show, sizeOf } from "../shape.ts";
import { apply, type Tensor } from "../tensor.ts";
import { cast } from "./cast.ts";
import { matmul } from "./matmul.ts";
import { transpose } from "./movement.ts";

export type ResizeMode = "nearest" | "bilinear";

export interface Resize {
  readonly size: readonly [h: number, w: number];
  readonly mode: ResizeMode;
}

/** The two source positions of an output position along one axis, and the weight of the second. */
export interface Tap {
  readonly low: number;
  readonly high: number;
  readonly mix: number;
}

/** Where output `i` of `to` looks in an axis of length `from`, in f32 as PyTorch computes it (align_corners false). */
export function tapOf(mode: ResizeMode, from: number, to: number, i: number): Tap {
  const scale = Math.fround(from / to);
  if (mode === "nearest") {
    const at = Math.min(Math.floor(Math.fround(i * scale)), from - 1);
    return { low: at, high: at, mix: 0 };
  }
  const at = Math.max(Math.fround(Math.fround(i + 0.5) * scale) - 0.5, 0);
  const low = Math.min(Math.floor(at), from - 1);
  return { low, high: Math.min(low + 1, from - 1), mix: at - low };
}

export const resizeOp: Op<Resize> = {
  name: "resize",
  infer([x], { size: [h, w] }) {
    if (x.shape.length !== 4) throw new OpError("resize", `expected [B, C, H, W], got ${show(x.shape)}`);
    if (!isFloat(x.dtype)) throw new OpError("resize", `expected floats, got ${x.dtype}`);
    if (![h, w].every((d) => Number.isInteger(d) && d >= 1))
      throw new OpError("resize", `the size is ${show([h, w])}, expected whole numbers ≥ 1`);
    if (x.shape[2] === 0 || x.shape[3] === 0) throw new OpError("resize", `there is nothing to sample in ${show(x.shape)}`);
    return { shape: [x.shape[0], x.shape[1], h, w], dtype: x.dtype };
  },
  reference([x], { size: [oh, ow], mode }, out) {
    const [, , h, w] = x.shape;
    const columns = Array.from({ length: ow }, (_, i) => tapOf(mode, w, ow, i));
    const rows = Array.from({ length: oh }, (_, i) => tapOf(mode, h, oh, i));
    const planes = x.shape[0] * x.shape[1];
    let to = 0;
    for (let p = 0; p < planes; p++) {
      for (const r of rows) {
        const [top, bottom] = [(p * h + r.low) * w, (p * h + r.high) * w];
        for (const c of columns) {
          const across = (at: number) => x.data[at + c.low] * (1 - c.mix) + x.data[at + c.high] * c.mix;
          out.data[to++] = across(top) * (1 - r.mix) + across(bottom) * r.mix;
        }
      }
    }
  },
  // Resizing is y = R x Cᵀ with one small matrix per axis, so its transpose is two products.
  vjp(
    g,
    {
      inputs: [x],
      attrs: {
        size: [oh, ow],
        mode,
      },
    },
  ) {
    const rows = taps(mode, x.shape[2], oh, g);
    const columns = taps(mode, x.shape[3], ow, g);
    return [matmul(matmul(transpose(rows), g), columns)];
  },
  cost: (_, { mode }, out) => sizeOf(out.shape) * (mode === "nearest" ? 1 : 8),
};

/** The matrix `[to, from]` of resizing one axis. */
function taps(mode: ResizeMode, from: number, to: number, like: Tensor): Tensor {
  const matrix = new Float64Array(to * from);
  for (let i = 0; i < to; i++) {
    const { low, high, mix } = tapOf(mode, from, to, i);
    matrix[i * from + low] += 1 - mix;
    matrix[i * from + high] += mix;
  }
  if (like.dtype === "f64") return fromData(matrix, { shape: [to, from], dtype: "f64", device: like.device });
  return cast(fromData(Float32Array.from(matrix), { shape: [to, from], dtype: "f32", device: like.device }), like.dtype);
}

/** `x [B, C, H, W]` at another size: PyTorch's interpolate with `align_corners=False` and no antialiasing. */
export const resize = (
  x: Tensor,
  size: readonly [h: number, w: number],
  { mode = "nearest" }: { readonly mode?: ResizeMode } = {},
): Tensor => apply(resizeOp, [x], { size, mode });
