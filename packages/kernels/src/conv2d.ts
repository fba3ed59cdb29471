import { elementwiseOps, type Layout, type Operand, type Shape, sizeOf, type Window } from "@snoopi/core";
import { bindable, bindDense, fits } from "./binding.ts";
import { conv2dLanes } from "./conv2d/lanes.ts";
import { conv2dLanes3x3 } from "./conv2d/lanes-3x3.ts";
import { conv2dTiled } from "./conv2d/tiled.ts";
import { copyLaunches } from "./copy.ts";
import { elementwiseLaunches } from "./elementwise.ts";
import type { Launch } from "./encoder.ts";
import { hasLanes } from "./facts.ts";
import type { Call, Lowering } from "./lowering.ts";
import { matmulLanesNn } from "./matmul/lanes-nn.ts";
import { matmulTiled } from "./matmul/tiled.ts";
import { portion, readable, stretches, writing } from "./split.ts";

export const conv2d: Lowering<Window> = {
  accepts: (_, lies) => bindable(lies),

  launch(call) {
    const {
      inputs: [x],
      out,
      facts,
    } = call;
    if (!fits(out, facts.maxBindingBytes)) return byOutput(call);
    if (!fits(x, facts.maxBindingBytes)) return byInput(call);
    return whole(call);
  },
};

/** Image by image, and within an image by stretches of output channels. */
function byOutput(call: Call<Window>): Launch[] {
  const {
    inputs: [x, weight, bias],
    out,
    facts,
  } = call;
  const [batch, O, OH, OW] = out.layout.shape;
  const [, I, H, W] = x.layout.shape;
  // A single channel cannot be split: then the encoder says how large it is.
  if (batch === 1 && O === 1) return whole(call);
  const taps = sizeOf(weight.layout.shape) / O;
  return Array.from({ length: batch }, (_, b) => b).flatMap((b) =>
    stretches(O, facts.maxBindingBytes / 4 / (OH * OW)).flatMap(({ first, count }) => {
      const before: Launch[] = [];
      const image = readable(call, portion(x, b * I * H * W, [1, I, H, W]), before);
      const rows = readable(call, portion(weight, first * taps, [count, ...weight.layout.shape.slice(1)]), before);
      const shift = bias && readable(call, portion(bias, first, [count]), before);
      const target = portion(out, (b * O + first) * OH * OW, [1, count, OH, OW]);
      return [
        ...before,
        ...writing(call, target, (to) => conv2d.launch({ ...call, inputs: [image, rows, ...(shift ? [shift] : [])], out: to })),
      ];
    }),
  );
}

/** Image by image, and within an image by halves of the input channels, whose results add up. */
function byInput(call: Call<Window>): Launch[] {
  const {
    inputs: [x, weight, bias],
    out,
    facts,
    temporary,
  } = call;
  const [batch, I, H, W] = x.layout.shape;
  if (batch > 1) return byOutput(call);
  if (I === 1) return whole(call);
  const [O, , KH, KW] = weight.layout.shape;
  const halves = stretches(I, Math.ceil(I / 2));
  const results = halves.map(({ first, count }, i) => {
    const launches: Launch[] = [];
    const channels = readable(call, portion(x, first * H * W, [1, count, H, W]), launches);
    const columns: Operand = { ...weight, layout: sliced(weight.layout, [0, first, 0, 0], [O, count, KH, KW]) };
    const taps = temporary({ shape: [O, count, KH, KW], dtype: "f32" });
    launches.push(...copyLaunches(facts, columns, taps));
    const sum = temporary({ shape: out.layout.shape, dtype: "f32" });
    launches.push(...conv2d.launch({ ...call, inputs: [channels, taps, ...(bias && i === 0 ? [bias] : [])], out: sum }));
    return { launches, sum };
  });
  const term = {
    kind: "call",
    op: elementwiseOps.add,
    args: [0, 1].map((index) => ({ kind: "input", index, dtype: "f32" }) as const),
    dtype: "f32",
  } as const;
  const sums = results.map((r) => r.sum);
  return [...results.flatMap((r) => r.launches), ...elementwiseLaunches(facts, { term, constants: [] }, sums, out)];
}

const sliced = (layout: Layout, starts: readonly number[], shape: Shape): Layout => ({
  shape,
  strides: layout.strides,
  offset: starts.reduce((at, start, axis) => at + start * layout.strides[axis], layout.offset),
});

function whole({ attrs: { stride, padding }, inputs: [x, weight, bias], out, facts }: Call<Window>): Launch[] {
  const [batch, O, OH, OW] = out.layout.shape;
  const [, I, H, W] = x.layout.shape;
  const [, , KH, KW] = weight.layout.shape;
  const [padTop, , padLeft, padRight] = padding;
  const lanes = hasLanes(facts);
  const [strideY, strideX] = stride;
  const params = { batch, I, O, H, W, OH, OW, KH, KW, strideY, strideX, padTop, padLeft, dilationY: 1, dilationX: 1 };
  const common = { inputs: [bindDense(weight), bindDense(x), bindDense(bias ?? weight)], out: bindDense(out), params };
  const BIAS = bias ? 1 : 0;
  const pixels = OH * OW;
  const tiles = (channels: number, across: number) => batch * Math.ceil(O / channels) * Math.ceil(pixels / across);
  const unit = strideY === 1 && strideX === 1;
  if (KH === 1 && KW === 1 && unit && padding.every((p) => p === 0) && (!lanes || pixels % 4 === 0)) {
    // A 1×1 convolution is weight [O, I] × image [I, H·W].
    const sizes = { M: O, N: pixels, K: I, batch, batchInner: batch };
    const a = { aOffset: 0, aRow: I, aCol: 1, aOuter: 0, aInner: 0 };
    const b = { bOffset: 0, bRow: pixels, bCol: 1, bOuter: 0, bInner: I * pixels };
    const product = { ...common, params: { ...sizes, ...a, ...b } };
    const columns = pixels <= 32 ? 32 : 64;
    return [
      lanes
        ? { ...product, kernel: matmulLanesNn, consts: { R: 16, C: columns / 32, BIAS: 2 * BIAS }, groups: tiles(16, columns) }
        : { ...product, kernel: matmulTiled, consts: { BIAS: 2 * BIAS, A_K_FAST: 1, B_K_FAST: 0 }, groups: tiles(64, 64) },
    ];
  }
  if (!lanes) return [{ ...common, kernel: conv2dTiled, consts: { BIAS, KERNEL_H: KH, KERNEL_W: KW }, groups: tiles(64, 64) }];
  if (KH === 3 && KW === 3 && unit && padLeft === 1 && padRight === 1 && W % 4 === 0) {
    return [
      {
        ...common,
        kernel: conv2dLanes3x3,
        consts: { R: 8, C: 2, BIAS, FLIP: 0 },
        groups: Math.ceil(O / 8) * Math.ceil((batch * pixels) / 64),
      },
    ];
  }
  return [{ ...common, kernel: conv2dLanes, consts: { R: 16, C: 2, BIAS }, groups: tiles(16, 64) }];
}
