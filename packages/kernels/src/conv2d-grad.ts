import { type Shape, sizeOf, type Window } from "@snoopi/core";
import { bindable, bindDense } from "./binding.ts";
import { convParams } from "./conv2d/params.ts";
import type { Kernel } from "./kernel.ts";
import type { Lowering } from "./lowering.ts";

type Attrs = Window & { shape: Shape };

/** One thread per element of the image's cotangent, which looks for the outputs it took part in. */
const inputGrad: Kernel = {
  name: "conv2dInputGrad",
  inputs: [
    { name: "g", width: 1 },
    { name: "weight", width: 1 },
  ],
  outWidth: 1,
  params: convParams,
  body: /* wgsl */ `
@compute @workgroup_size(64)
fn main(@builtin(workgroup_id) group: vec3u, @builtin(num_workgroups) grid: vec3u, @builtin(local_invocation_index) lane: u32) {
  let i = (group.y * grid.x + group.x) * 64u + lane;
  if (i >= P.batch * P.I * P.H * P.W) { return; }
  let x = i % P.W;
  let y = i / P.W % P.H;
  let c = i / (P.W * P.H) % P.I;
  let b = i / (P.W * P.H * P.I);
  var sum = 0.0;
  for (var o = 0u; o < P.O; o++) {
    for (var ky = 0u; ky < P.KH; ky++) {
      let ty = y + P.padTop - ky;
      // As unsigned, a negative coordinate is larger than any size.
      if (ty % P.strideY != 0u || ty / P.strideY >= P.OH || y + P.padTop < ky) { continue; }
      for (var kx = 0u; kx < P.KW; kx++) {
        let tx = x + P.padLeft - kx;
        if (tx % P.strideX != 0u || tx / P.strideX >= P.OW || x + P.padLeft < kx) { continue; }
        sum += g_at(((b * P.O + o) * P.OH + ty / P.strideY) * P.OW + tx / P.strideX) * weight_at(((o * P.I + c) * P.KH + ky) * P.KW + kx);
      }
    }
  }
  out[i] = sum;
}`,
};

/** One thread per weight, which walks all pixels it was multiplied with. */
const weightGrad: Kernel = {
  name: "conv2dWeightGrad",
  inputs: [
    { name: "x", width: 1 },
    { name: "g", width: 1 },
  ],
  outWidth: 1,
  params: convParams,
  body: /* wgsl */ `
@compute @workgroup_size(64)
fn main(@builtin(workgroup_id) group: vec3u, @builtin(num_workgroups) grid: vec3u, @builtin(local_invocation_index) lane: u32) {
  let i = (group.y * grid.x + group.x) * 64u + lane;
  if (i >= P.O * P.I * P.KH * P.KW) { return; }
  let kx = i % P.KW;
  let ky = i / P.KW % P.KH;
  let c = i / (P.KW * P.KH) % P.I;
  let o = i / (P.KW * P.KH * P.I);
  var sum = 0.0;
  for (var b = 0u; b < P.batch; b++) {
    for (var y = 0u; y < P.OH; y++) {
      let iy = y * P.strideY + ky - P.padTop;
      if (iy >= P.H) { continue; }
      // Row by row, so that long sums lose less.
      var row = 0.0;
      for (var x = 0u; x < P.OW; x++) {
        let ix = x * P.strideX + kx - P.padLeft;
        if (ix < P.W) { row += x_at(((b * P.I + c) * P.H + iy) * P.W + ix) * g_at(((b * P.O + o) * P.OH + y) * P.OW + x); }
      }
      sum += row;
    }
  }
  out[i] = sum;
}`,
};

function paramsOf({ stride, padding }: Attrs, image: Shape, weight: Shape, output: Shape) {
  const [batch, I, H, W] = image;
  const [O, , KH, KW] = weight;
  return {
    batch,
    I,
    O,
    H,
    W,
    OH: output[2],
    OW: output[3],
    KH,
    KW,
    strideY: stride[0],
    strideX: stride[1],
    padTop: padding[0],
    padLeft: padding[2],
    dilationY: 1,
    dilationX: 1,
  };
}

export const conv2dInputGrad: Lowering<Attrs> = {
  accepts: (_, layout) => bindable(layout),
  launch: ({ attrs, inputs: [g, weight], out }) => [
    {
      kernel: inputGrad,
      inputs: [bindDense(g), bindDense(weight)],
      out: bindDense(out),
      params: paramsOf(attrs, attrs.shape, weight.layout.shape, g.layout.shape),
      groups: Math.ceil(sizeOf(attrs.shape) / 64),
    },
  ],
};

export const conv2dWeightGrad: Lowering<Attrs> = {
  accepts: (_, layout) => bindable(layout),
  launch: ({ attrs, inputs: [x, g], out }) => [
    {
      kernel: weightGrad,
      inputs: [bindDense(x), bindDense(g)],
      out: bindDense(out),
      params: paramsOf(attrs, x.layout.shape, attrs.shape, g.layout.shape),
      groups: Math.ceil(sizeOf(attrs.shape) / 64),
    },
  ],
};
