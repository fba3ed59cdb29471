import { isFloat } from "../dtype.ts";
import { OpError } from "../error.ts";
import type { Op } from "../op.ts";
import { checkOptions } from "../options.ts";
import { show, sizeOf } from "../shape.ts";
import { apply, type Tensor } from "../tensor.ts";

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

/** Where output `i` of `to` reads along an axis of length `from`, in f32 as PyTorch computes it (align_corners false). */
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
  infer([x], { size: [h, w], mode }) {
    if (mode !== "nearest" && mode !== "bilinear") throw new OpError("resize", `the mode is ${mode}, expected nearest or bilinear`);
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
          if (mode === "nearest") {
            // Copied, not mixed with a weight of zero: ∞ stays ∞.
            out.data[to++] = x.data[top + c.low];
            continue;
          }
          const across = (at: number) => x.data[at + c.low] * (1 - c.mix) + x.data[at + c.high] * c.mix;
          out.data[to++] = across(top) * (1 - r.mix) + across(bottom) * r.mix;
        }
      }
    }
  },
  vjp: (g, { inputs: [x], attrs: { mode } }) => [apply(resizeGradOp, [g], { size: [x.shape[2], x.shape[3]], mode })],
  cost: (_, { mode }, out) => sizeOf(out.shape) * (mode === "nearest" ? 1 : 8),
};

/** The transpose of {@link resizeOp}: a cotangent `[B, C, OH, OW]` to `[B, C, ...size]`. Each pixel sums over the outputs that read it. */
export const resizeGradOp: Op<Resize> = {
  name: "resizeGrad",
  infer([g], { size: [h, w] }) {
    if (g.shape.length !== 4) throw new OpError("resizeGrad", `expected [B, C, H, W], got ${show(g.shape)}`);
    return { shape: [g.shape[0], g.shape[1], h, w], dtype: g.dtype };
  },
  reference([g], { size: [h, w], mode }, out) {
    const [b, c, oh, ow] = g.shape;
    const columns = Array.from({ length: ow }, (_, i) => tapOf(mode, w, ow, i));
    const rows = Array.from({ length: oh }, (_, i) => tapOf(mode, h, oh, i));
    const sums = new Float64Array(out.data.length);
    let from = 0;
    for (let plane = 0; plane < b * c; plane++) {
      for (const r of rows) {
        const [top, bottom] = [(plane * h + r.low) * w, (plane * h + r.high) * w];
        for (const t of columns) {
          const v = g.data[from++];
          if (mode === "nearest") {
            sums[top + t.low] += v;
            continue;
          }
          sums[top + t.low] += v * (1 - t.mix) * (1 - r.mix);
          sums[top + t.high] += v * t.mix * (1 - r.mix);
          sums[bottom + t.low] += v * (1 - t.mix) * r.mix;
          sums[bottom + t.high] += v * t.mix * r.mix;
        }
      }
    }
    out.data.set(sums);
  },
  vjp: (h, { inputs: [g], attrs: { mode } }) => [apply(resizeOp, [h], { size: [g.shape[2], g.shape[3]], mode })],
  cost: ([g], { mode }) => sizeOf(g.shape) * (mode === "nearest" ? 1 : 8),
};

/** `x [B, C, H, W]` at another size: PyTorch's interpolate with `align_corners=False` and no antialiasing. */
export function resize(x: Tensor, size: readonly [h: number, w: number], options: { readonly mode?: ResizeMode } = {}): Tensor {
  const { mode = "nearest" } = checkOptions("resize", options, { mode: true });
  return apply(resizeOp, [x], { size: [...size], mode });
}
