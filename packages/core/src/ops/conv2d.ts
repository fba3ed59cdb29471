import { isFloat, promote } from "../dtype.ts";
import { OpError } from "../error.ts";
import type { Op, Value } from "../op.ts";
import { checkOptions, type NamesOf } from "../options.ts";
import { type Shape, sameShape, show, sizeOf } from "../shape.ts";
import { apply, type Tensor } from "../tensor.ts";
import { sum } from "./sum.ts";

/** How the window moves: steps along y and x, and zeros added on each side. */
export interface Window {
  readonly stride: readonly [y: number, x: number];
  readonly padding: readonly [top: number, bottom: number, left: number, right: number];
}

const outLength = (length: number, kernel: number, stride: number, padding: number): number =>
  Math.floor((length + padding - kernel) / stride) + 1;

/** Inputs `x [B, I, H, W]`, `weight [O, I, kh, kw]` and, optionally, bias `[O]`. */
export const conv2dOp: Op<Window> = {
  name: "conv2d",
  infer([x, weight, bias], { stride: [sy, sx], padding: [top, bottom, left, right] }) {
    if (x.shape.length !== 4 || weight.shape.length !== 4) {
      throw new OpError("conv2d", `expected x [B, C, H, W] and weight [O, C, kh, kw], got ${show(x.shape)} and ${show(weight.shape)}`);
    }
    const [b, c, h, w] = x.shape;
    const [o, i, kh, kw] = weight.shape;
    if (c !== i) throw new OpError("conv2d", `x has ${c} channels and the weight reads ${i}, in ${show(x.shape)} * ${show(weight.shape)}`);
    if (bias && !sameShape(bias.shape, [o]))
      throw new OpError("conv2d", `the bias is ${show(bias.shape)} and the weight makes ${o} channels`);
    if (bias && !isFloat(bias.dtype)) throw new OpError("conv2d", `the bias is ${bias.dtype}, expected floats`);
    if (!isFloat(x.dtype) || !isFloat(weight.dtype)) throw new OpError("conv2d", `expected floats, got ${x.dtype} and ${weight.dtype}`);
    const shape = [b, o, outLength(h, kh, sy, top + bottom), outLength(w, kw, sx, left + right)];
    if (shape[2] < 1 || shape[3] < 1)
      throw new OpError("conv2d", `a ${kh}×${kw} window does not fit into the padded ${h + top + bottom}×${w + left + right} image`);
    return { shape, dtype: promote(x.dtype, weight.dtype) };
  },
  reference([x, weight, bias], window, out) {
    const [, o] = out.shape;
    const plane = out.shape[2] * out.shape[3];
    for (let i = 0; i < out.data.length; i++) out.data[i] = bias ? bias.data[Math.floor(i / plane) % o] : 0;
    const sums = Float64Array.from(out.data);
    taps(x, weight.shape, out.shape, window, (xi, wi, yi) => {
      sums[yi] += x.data[xi] * weight.data[wi];
    });
    out.data.set(sums);
  },
  vjp: (g, { inputs: [x, weight, bias], attrs }) => [
    apply(conv2dInputGradOp, [g, weight], { ...attrs, shape: x.shape }),
    apply(conv2dWeightGradOp, [x, g], { ...attrs, shape: weight.shape }),
    ...(bias ? [sum(g, { axis: [0, 2, 3] })] : []),
  ],
  cost: ([, weight], _, out) => 2 * sizeOf(out.shape) * sizeOf(weight.shape.slice(1)),
};

/** The gradient of a convolution with respect to its image: from cotangent `[B, O, H', W']` and weight to `[B, I, H, W]`. */
export const conv2dInputGradOp: Op<Window & { shape: Shape }> = {
  name: "conv2dInputGrad",
  infer: ([g, weight], { shape }) => ({ shape, dtype: promote(g.dtype, weight.dtype) }),
  reference([g, weight], { shape, ...window }, out) {
    const sums = new Float64Array(out.data.length);
    taps(out, weight.shape, g.shape, window, (xi, wi, yi) => {
      sums[xi] += g.data[yi] * weight.data[wi];
    });
    out.data.set(sums);
  },
  vjp: (h, { inputs: [g, weight], attrs: { shape: _, ...window } }) => [
    apply(conv2dOp, [h, weight], window),
    apply(conv2dWeightGradOp, [h, g], { ...window, shape: weight.shape }),
  ],
  cost: ([g, weight]) => 2 * sizeOf(g.shape) * sizeOf(weight.shape.slice(1)),
};

/** The gradient of a convolution with respect to its weight: from image and cotangent to `[O, I, kh, kw]`. */
export const conv2dWeightGradOp: Op<Window & { shape: Shape }> = {
  name: "conv2dWeightGrad",
  infer: ([x, g], { shape }) => ({ shape, dtype: promote(x.dtype, g.dtype) }),
  reference([x, g], { shape, ...window }, out) {
    const sums = new Float64Array(out.data.length);
    taps(x, shape, g.shape, window, (xi, wi, yi) => {
      sums[wi] += x.data[xi] * g.data[yi];
    });
    out.data.set(sums);
  },
  vjp: (h, { inputs: [x, g], attrs: { shape: _, ...window } }) => [
    apply(conv2dInputGradOp, [g, h], { ...window, shape: x.shape }),
    apply(conv2dOp, [x, h], window),
  ],
  cost: ([, g], { shape }) => 2 * sizeOf(g.shape) * sizeOf(shape.slice(1)),
};

/** Calls `visit` for every product in a convolution: places in the image, the weight and the output. */
function taps(
  x: Pick<Value, "shape">,
  weight: Shape,
  out: Shape,
  { stride: [sy, sx], padding: [top, , left] }: Window,
  visit: (x: number, w: number, y: number) => void,
) {
  const [, c, h, w] = x.shape;
  const [, , kh, kw] = weight;
  const [batch, o, oh, ow] = out;
  for (let b = 0; b < batch; b++)
    for (let f = 0; f < o; f++)
      for (let i = 0; i < c; i++)
        for (let ky = 0; ky < kh; ky++)
          for (let kx = 0; kx < kw; kx++) {
            const wi = ((f * c + i) * kh + ky) * kw + kx;
            for (let y = 0; y < oh; y++) {
              const iy = y * sy + ky - top;
              if (iy < 0 || iy >= h) continue;
              const row = ((b * c + i) * h + iy) * w;
              const to = ((b * o + f) * oh + y) * ow;
              for (let j = 0; j < ow; j++) {
                const ix = j * sx + kx - left;
                if (ix >= 0 && ix < w) visit(row + ix, wi, to + j);
              }
            }
          }
}

export interface Conv2dOptions {
  /** Default 1. */
  readonly stride?: number | readonly [y: number, x: number];
  /** Zeros on each side: all, [y, x], or [top, bottom, left, right]. Default 0. */
  readonly padding?: number | readonly [y: number, x: number] | readonly [top: number, bottom: number, left: number, right: number];
  readonly bias?: Tensor;
}

const conv2dNames: NamesOf<Conv2dOptions> = { stride: true, padding: true, bias: true };

/** Cross-correlation of `x [B, I, H, W]` with `weight [O, I, kh, kw]`, plus `bias [O]`: what PyTorch calls conv2d. */
export function conv2d(x: Tensor, weight: Tensor, options: Conv2dOptions = {}): Tensor {
  const { stride = 1, padding = 0, bias } = checkOptions("conv2d", options, conv2dNames);
  const steps = typeof stride === "number" ? ([stride, stride] as const) : ([...stride] as const);
  const p = typeof padding === "number" ? [padding, padding] : [...padding];
  if (steps.length !== 2) throw new OpError("conv2d", `the stride is ${show(steps)}, expected one number or two`);
  if (p.length !== 2 && p.length !== 4) throw new OpError("conv2d", `the padding is ${show(p)}, expected one number, two or four`);
  const margins = p.length === 2 ? ([p[0], p[0], p[1], p[1]] as const) : ([p[0], p[1], p[2], p[3]] as const);
  if (steps.some((s) => !Number.isInteger(s) || s < 1))
    throw new OpError("conv2d", `the stride is ${show(steps)}, expected whole numbers ≥ 1`);
  if (margins.some((m) => !Number.isInteger(m) || m < 0))
    throw new OpError("conv2d", `the padding is ${show(margins)}, expected whole numbers ≥ 0`);
  return apply(conv2dOp, bias ? [x, weight, bias] : [x, weight], { stride: steps, padding: margins });
}
