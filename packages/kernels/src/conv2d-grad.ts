import { dense, type Operand, type Shape, sizeOf, type Window } from "@snoopi/core";
import { bindable, bindDense } from "./binding.ts";
import { conv2dInputGradLanes } from "./conv2d/input-grad-lanes.ts";
import { conv2dInputGradTiled } from "./conv2d/input-grad-tiled.ts";
import { conv2dLanes3x3 } from "./conv2d/lanes-3x3.ts";
import { conv2dWeightGradLanes } from "./conv2d/weight-grad-lanes.ts";
import { conv2dWeightGradQuads } from "./conv2d/weight-grad-quads.ts";
import { conv2dWeightGradTiled } from "./conv2d/weight-grad-tiled.ts";
import type { Launch } from "./encoder.ts";
import { hasLanes } from "./facts.ts";
import type { Call, Lowering } from "./lowering.ts";
import { matmulLanes } from "./matmul/lanes.ts";
import { matmulLanesNn } from "./matmul/lanes-nn.ts";
import { matmulTiled } from "./matmul/tiled.ts";
import { reduction } from "./reduce.ts";

type Attrs = Window & { shape: Shape };

/** The forward convolution's sizes. */
function sizesOf({ stride, padding }: Attrs, image: Shape, weight: Shape, output: Shape) {
  const [batch, I, H, W] = image;
  const [O, , KH, KW] = weight;
  const [, , OH, OW] = output;
  const [strideY, strideX] = stride;
  return { batch, I, O, H, W, OH, OW, KH, KW, strideY, strideX, padTop: padding[0], padLeft: padding[2], dilationY: 1, dilationX: 1 };
}

/** Whether rows keep their length: horizontal stride 1, and either 3 taps with a padding of 1 or one tap without. */
const keepsRows = ({ stride: [, x], padding: [, , left, right] }: Attrs, KW: number): boolean =>
  x === 1 && left === right && ((KW === 3 && left === 1) || (KW === 1 && left === 0));

export const conv2dInputGrad: Lowering<Attrs> = {
  accepts: (_, lies) => bindable(lies),
  launch({ attrs, inputs: [g, weight], out, facts }) {
    const params = sizesOf(attrs, attrs.shape, weight.layout.shape, g.layout.shape);
    const { batch, I, O, H, W, OH, OW, KH, KW, strideY, strideX, padTop } = params;
    const common = { inputs: [bindDense(weight), bindDense(g)], out: bindDense(out), params };
    const lanes = hasLanes(facts);
    const [pixels, unit] = [H * W, strideY === 1 && strideX === 1];
    const tiles = (channels: number, across: number, columns = pixels) => batch * Math.ceil(I / channels) * Math.ceil(columns / across);
    if (KH === 1 && KW === 1 && unit && attrs.padding.every((p) => p === 0)) {
      // weightᵀ [I, O] × cotangent [O, H·W].
      const sizes = { M: I, N: pixels, K: O, batch, batchInner: batch };
      const a = { aOffset: 0, aRow: 1, aCol: I, aOuter: 0, aInner: 0 };
      const b = { bOffset: 0, bRow: pixels, bCol: 1, bOuter: 0, bInner: O * pixels };
      const product = { ...common, inputs: [...common.inputs, bindDense(weight)], params: { ...sizes, ...a, ...b } };
      if (!lanes) return [{ ...product, kernel: matmulTiled, consts: { BIAS: 0, A_K_FAST: 0, B_K_FAST: 0 }, groups: tiles(64, 64) }];
      const kernel = pixels % 4 === 0 ? matmulLanesNn : matmulLanes;
      const columns = pixels <= 32 ? 32 : 64;
      return [{ ...product, kernel, consts: { R: 16, C: columns / 32, BIAS: 0 }, groups: tiles(16, columns) }];
    }
    if (lanes && unit && KH === 3 && KW === 3 && keepsRows(attrs, KW) && W % 4 === 0) {
      // The convolution of the cotangent with the weight rotated by 180°, its channels swapped.
      const turned = { batch, I: O, O: I, H: OH, W: OW, OH: H, padTop: KH - 1 - padTop };
      const inputs = [...common.inputs, bindDense(weight)];
      return [
        {
          ...common,
          inputs,
          params: turned,
          kernel: conv2dLanes3x3,
          consts: { R: 8, C: 2, BIAS: 0, FLIP: 1 },
          groups: Math.ceil(I / 8) * Math.ceil((batch * pixels) / 64),
        },
      ];
    }
    // Pixels in a class: those of one class met the same taps.
    const ofClass = Math.ceil(H / strideY) * Math.ceil(W / strideX);
    const groups = (channels: number, across: number) => strideY * strideX * tiles(channels, across, ofClass);
    if (lanes) return [{ ...common, kernel: conv2dInputGradLanes, consts: { R: 16, C: 2 }, groups: groups(16, 64) }];
    const consts = { TAPS_H: Math.ceil(KH / strideY), TAPS_W: Math.ceil(KW / strideX) };
    return [{ ...common, kernel: conv2dInputGradTiled, consts, groups: groups(64, 64) }];
  },
};

export const conv2dWeightGrad: Lowering<Attrs> = {
  accepts: (_, lies) => bindable(lies),
  launch(call) {
    const {
      attrs,
      inputs: [x, g],
      facts,
    } = call;
    const params = sizesOf(attrs, x.layout.shape, attrs.shape, g.layout.shape);
    const { I, O, W, KH, KW, strideY } = params;
    const inputs = [bindDense(g), bindDense(x)];
    if (!hasLanes(facts)) {
      const tiles = Math.ceil(O / 64) * Math.ceil((I * KH * KW) / 64);
      return inSplits(call, params, tiles, 512, { kernel: conv2dWeightGradTiled, inputs, consts: { KERNEL_H: KH, KERNEL_W: KW } });
    }
    if (strideY === 1 && keepsRows(attrs, KW) && W % 4 === 0) {
      const [R, C] = KW === 3 ? [8, 2] : [8, 4];
      const tiles = Math.ceil(O / R) * Math.ceil((I * KH) / (8 * C));
      return inSplits(call, params, tiles, 32, { kernel: conv2dWeightGradQuads, inputs, consts: { R, C, TAPS: KW } });
    }
    const tiles = Math.ceil(O / 16) * Math.ceil((I * KH * KW) / 32);
    return inSplits(call, params, tiles, 32, { kernel: conv2dWeightGradLanes, inputs, consts: { R: 16, C: 4 } });
  },
};

/** Most pixels in one sum: rounding errors are smaller in partial sums. */
const longest = 16384;

/**
 * Where there are fewer tiles than `enough` to keep the device busy, or sums are long, several groups share a tile: each sums some rows of
 * the images, and a reduction adds the partial sums.
 */
function inSplits(
  { out, facts, temporary, attrs }: Call<Attrs>,
  sizes: ReturnType<typeof sizesOf>,
  tiles: number,
  enough: number,
  launch: Pick<Launch, "kernel" | "inputs" | "consts">,
): Launch[] {
  const { batch, OH, OW } = sizes;
  const all = Math.max(1, batch * OH);
  // Fewer than 128 pixels would not pay for the sum afterwards.
  const wanted = Math.min(Math.max(Math.floor(enough / tiles), Math.ceil((all * OW) / longest)), Math.floor((all * OW) / 128));
  const rows = Math.ceil(all / Math.max(1, wanted));
  const splits = Math.ceil(all / rows);
  const to = (target: Operand): Launch => ({
    ...launch,
    out: bindDense(target),
    params: { ...sizes, splits, rows },
    groups: tiles * splits,
  });
  if (splits === 1) return [to(out)];
  const length = sizeOf(attrs.shape);
  const parts = temporary({ shape: [splits, length], dtype: "f32" });
  const total: Operand = { ...out, layout: { ...dense([1, length]), offset: out.layout.offset } };
  return [to(parts), ...reduction("sum").launch({ attrs: { axes: [0] }, inputs: [parts], out: total, extras: [], facts, temporary })];
}
