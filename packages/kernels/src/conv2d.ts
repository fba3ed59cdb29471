import { type Window } from "@snoopi/core";
import { conv2dLanes } from "./conv2d/lanes.ts";
import { conv2dLanes3x3 } from "./conv2d/lanes-3x3.ts";
import { conv2dTiled } from "./conv2d/tiled.ts";
import { fromStart } from "./copy.ts";
import { hasLanes } from "./facts.ts";
import { bind, type Lowering } from "./lowering.ts";
import { matmulLanesNn } from "./matmul/lanes-nn.ts";
import { matmulTiled } from "./matmul/tiled.ts";

export const conv2d: Lowering<Window> = {
  accepts: (_, layout) => fromStart(layout),

  launch({ attrs: { stride, padding }, inputs: [x, weight, bias], out, facts }) {
    const [batch, O, OH, OW] = out.layout.shape;
    const [, I, H, W] = x.layout.shape;
    const [, , KH, KW] = weight.layout.shape;
    const [padTop, , padLeft, padRight] = padding;
    const params = {
      batch, I, O, H, W, OH, OW, KH, KW, strideY: stride[0], strideX: stride[1], padTop, padLeft, dilationY: 1, dilationX: 1,
    };
    const common = { inputs: [bind(weight), bind(x), bind(bias ?? weight)], out: bind(out), params };
    const BIAS = bias ? 1 : 0;
    const pixels = OH * OW;
    const unit = stride[0] === 1 && stride[1] === 1;
    if (KH === 1 && KW === 1 && unit && padding.every((p) => p === 0)) {
      // A 1×1 convolution is weight [O, I] × image [I, H·W].
      const matrix = {
        M: O, N: pixels, K: I, batch, batchInner: batch,
        aOffset: 0, aRow: I, aCol: 1, aOuter: 0, aInner: 0,
        bOffset: 0, bRow: pixels, bCol: 1, bOuter: 0, bInner: I * pixels,
      };
      const rows = { ...common, params: matrix };
      if (hasLanes(facts) && pixels % 4 === 0) {
        return [{ ...rows, kernel: matmulLanesNn, consts: { R: 16, C: 2, BIAS: 2 * BIAS }, groups: batch * Math.ceil(O / 16) * Math.ceil(pixels / 64) }];
      }
      if (!hasLanes(facts)) {
        return [{ ...rows, kernel: matmulTiled, consts: { BIAS: 2 * BIAS, A_K_FAST: 1, B_K_FAST: 0 }, groups: batch * Math.ceil(O / 64) * Math.ceil(pixels / 64) }];
      }
    }
    if (!hasLanes(facts)) {
      return [{ ...common, kernel: conv2dTiled, consts: { BIAS, KERNEL_H: KH, KERNEL_W: KW }, groups: batch * Math.ceil(O / 64) * Math.ceil(pixels / 64) }];
    }
    if (KH === 3 && KW === 3 && unit && padLeft === 1 && padRight === 1 && W % 4 === 0) {
      return [{ ...common, kernel: conv2dLanes3x3, consts: { R: 8, C: 2, BIAS }, groups: batch * Math.ceil(O / 8) * Math.ceil(pixels / 64) }];
    }
    return [{ ...common, kernel: conv2dLanes, consts: { R: 16, C: 2, BIAS }, groups: batch * Math.ceil(O / 16) * Math.ceil(pixels / 64) }];
  },
};
