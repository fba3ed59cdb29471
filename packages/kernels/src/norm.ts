import { type Operand, sizeOf } from "@snoopi/core";
import { bindable, bindDense } from "./binding.ts";
import type { Launch } from "./encoder.ts";
import type { Kernel } from "./kernel.ts";
import type { Call, Lowering } from "./lowering.ts";
import { byRows } from "./split.ts";

/**
 * Mean and sum of squared distances to it, for stretches of each row: one thread a stretch, in two passes, so that nothing cancels.
 * Written as pairs; the count follows from the stretch.
 */
const moments: Kernel = {
  name: "moments",
  inputs: [{ name: "x", width: 1 }],
  outWidth: 1,
  params: ["rows", "length", "parts"],
  body: /* wgsl */ `
@compute @workgroup_size(64)
fn main(@builtin(workgroup_id) group: vec3u, @builtin(num_workgroups) grid: vec3u, @builtin(local_invocation_index) lane: u32) {
  let i = (group.y * grid.x + group.x) * 64u + lane;
  if (i >= P.rows * P.parts) { return; }
  let each = (P.length + P.parts - 1u) / P.parts;
  let first = min(i % P.parts * each, P.length);
  let last = min(first + each, P.length);
  let row = i / P.parts * P.length;
  let shift = x_at(row + min(first, P.length - 1u));
  var sum = 0.0;
  for (var j = first; j < last; j++) { sum += x_at(row + j) - shift; }
  let mean = shift + sum / max(f32(last - first), 1.0);
  var squares = 0.0;
  for (var j = first; j < last; j++) {
    let d = x_at(row + j) - mean;
    squares += d * d;
  }
  out[2u * i] = mean;
  out[2u * i + 1u] = squares;
}`,
};

/** Joins the stretches of every row into its mean and 1/√(variance + eps). */
const statistics: Kernel = {
  name: "statistics",
  inputs: [{ name: "part", width: 1 }],
  outWidth: 1,
  params: ["rows", "length", "parts", ["eps", "f32"]],
  body: /* wgsl */ `
@compute @workgroup_size(64)
fn main(@builtin(workgroup_id) group: vec3u, @builtin(num_workgroups) grid: vec3u, @builtin(local_invocation_index) lane: u32) {
  let row = (group.y * grid.x + group.x) * 64u + lane;
  if (row >= P.rows) { return; }
  let each = (P.length + P.parts - 1u) / P.parts;
  let first = row * P.parts * 2u;
  var mean = 0.0;
  for (var p = 0u; p < P.parts; p++) {
    let count = min((p + 1u) * each, P.length) - min(p * each, P.length);
    mean += part_at(first + 2u * p) * (f32(count) / f32(P.length));
  }
  var squares = 0.0;
  for (var p = 0u; p < P.parts; p++) {
    let count = min((p + 1u) * each, P.length) - min(p * each, P.length);
    let d = part_at(first + 2u * p) - mean;
    squares += part_at(first + 2u * p + 1u) + d * d * f32(count);
  }
  out[2u * row] = mean;
  out[2u * row + 1u] = inverseSqrt(squares / f32(P.length) + P.eps);
}`,
};

/** (x − mean) · scale, then weight and bias of the element's channel. AFFINE: 0 none, 1 both. */
const normalize: Kernel = {
  name: "normalize",
  inputs: [
    { name: "x", width: 1 },
    { name: "stats", width: 1 },
    { name: "weight", width: 1 },
    { name: "bias", width: 1 },
  ],
  outWidth: 1,
  params: ["n", "length", "inner", "channels", "channel"],
  body: /* wgsl */ `
@compute @workgroup_size(64)
fn main(@builtin(workgroup_id) group: vec3u, @builtin(num_workgroups) grid: vec3u, @builtin(local_invocation_index) lane: u32) {
  let i = (group.y * grid.x + group.x) * 64u + lane;
  if (i >= P.n) { return; }
  let row = i / P.length;
  var value = (x_at(i) - stats_at(2u * row)) * stats_at(2u * row + 1u);
  if (AFFINE == 1u) {
    let c = (i / P.inner + P.channel) % P.channels;
    value = fma(value, weight_at(c), bias_at(c));
  }
  out[i] = value;
}`,
};

/** Elements one thread sums up. */
const stretch = 1024;

function launches(call: Call<{ eps: number }>, rows: number, inner: number, channels: number): Launch[] {
  const {
    inputs: [all, weight, bias],
    attrs,
    temporary,
  } = call;
  const length = sizeOf(all.layout.shape) / rows;
  const parts = Math.ceil(length / stretch);
  const pair = (count: number): Operand => temporary({ shape: [count, 2], dtype: "f32" });
  return byRows(call, rows, ({ first, count, x, out }) => {
    const [part, stats] = [pair(count * parts), pair(count)];
    const n = count * length;
    return [
      {
        kernel: moments,
        inputs: [bindDense(x)],
        out: bindDense(part),
        params: { rows: count, length, parts },
        groups: Math.ceil((count * parts) / 64),
      },
      {
        kernel: statistics,
        inputs: [bindDense(part)],
        out: bindDense(stats),
        params: { rows: count, length, parts, eps: attrs.eps },
        groups: Math.ceil(count / 64),
      },
      {
        kernel: normalize,
        inputs: [bindDense(x), bindDense(stats), bindDense(weight ?? stats), bindDense(bias ?? stats)],
        out: bindDense(out),
        consts: { AFFINE: weight ? 1 : 0 },
        params: { n, length, inner, channels, channel: Math.floor((first * length) / inner) % channels },
        groups: Math.ceil(n / 64),
      },
    ];
  });
}

export const groupNorm: Lowering<{ groups: number; eps: number }> = {
  accepts: (_, layout) => bindable(layout),
  launch: (call) => {
    const [b, c, ...rest] = call.inputs[0].layout.shape;
    return launches(call, b * call.attrs.groups, sizeOf(rest), c);
  },
};

export const layerNorm: Lowering<{ eps: number }> = {
  accepts: (_, layout) => bindable(layout),
  launch: (call) => {
    const { shape } = call.inputs[0].layout;
    const d = shape[shape.length - 1];
    return launches(call, sizeOf(shape) / d, 1, d);
  },
};
