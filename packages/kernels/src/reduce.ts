import { collapsed, type Layout, type Operand, sizeOf } from "@snoopi/core";
import { bind } from "./binding.ts";
import { copyLaunches } from "./copy.ts";
import type { Launch } from "./encoder.ts";
import type { Kernel } from "./kernel.ts";
import type { Call, Lowering } from "./lowering.ts";

const axes = ["0", "1", "2", "3"];

/** Each thread folds one part of one output's elements: all of them, or a stretch of a second pass's input. MAX: 0 adds, 1 takes the largest. */
const reduce: Kernel = {
  name: "reduce",
  inputs: [{ name: "x", width: 1 }],
  outWidth: 1,
  params: [
    "outputs",
    "parts",
    "length",
    "offset",
    ...axes.flatMap((a) => [`kept${a}`, `keptStride${a}`]),
    ...axes.flatMap((a) => [`gone${a}`, `goneStride${a}`]),
  ],
  body: /* wgsl */ `
fn kept(i: u32) -> u32 {
  let i2 = i / P.kept3;
  let i1 = i2 / P.kept2;
  let i0 = i1 / P.kept1;
  return i % P.kept3 * P.keptStride3 + i2 % P.kept2 * P.keptStride2 + i1 % P.kept1 * P.keptStride1 + i0 * P.keptStride0;
}

fn gone(i: u32) -> u32 {
  let i2 = i / P.gone3;
  let i1 = i2 / P.gone2;
  let i0 = i1 / P.gone1;
  return i % P.gone3 * P.goneStride3 + i2 % P.gone2 * P.goneStride2 + i1 % P.gone1 * P.goneStride1 + i0 * P.goneStride0;
}

@compute @workgroup_size(64)
fn main(@builtin(workgroup_id) group: vec3u, @builtin(num_workgroups) grid: vec3u, @builtin(local_invocation_index) lane: u32) {
  let i = (group.y * grid.x + group.x) * 64u + lane;
  if (i >= P.outputs * P.parts) { return; }
  let output = i / P.parts;
  let part = i % P.parts;
  let base = P.offset + kept(output);
  let each = (P.length + P.parts - 1u) / P.parts;
  let first = part * each;
  let last = min(first + each, P.length);
  // A part may be empty; adding nothing gives zero, and the largest of nothing is any element.
  var value = T(x_at(base)) * T(MAX);
  // Sums of sums: the rounding error grows with the square root of the length instead of the length.
  for (var start = first; start < last; start += 64u) {
    var sum = T(0);
    let end = min(start + 64u, last);
    for (var j = start; j < end; j++) {
      let v = T(x_at(base + gone(j)));
      if (MAX == 1u) { value = max(value, v); } else { sum += v; }
    }
    value += sum;
  }
  out[i] = value;
}`,
};

/** Below this many elements an output is folded by one thread. */
const oneThread = 4096;

export const reduction = (kind: "sum" | "amax"): Lowering<{ axes: readonly number[] }> => ({
  accepts: () => true,

  launch(call) {
    const [x] = call.inputs;
    const { shape } = x.layout;
    const reduced = call.attrs.axes;
    const rest = shape.map((_, i) => i).filter((i) => !reduced.includes(i));
    const part = (list: readonly number[]) =>
      collapsed(
        list.map((i) => shape[i]),
        [list.map((i) => x.layout.strides[i])],
      );
    const [kept, gone] = [part(rest), part(reduced)];
    if (kept.shape.length > 4 || gone.shape.length > 4) return viaCopy(kind, call, x, rest, reduced);
    return fold(kind, call, x, kept, gone);
  },
});

interface Walk {
  readonly shape: readonly number[];
  readonly strides: readonly (readonly number[])[];
}

function fold(
  kind: "sum" | "amax",
  { out, temporary }: Pick<Call<unknown>, "out" | "temporary">,
  x: Operand,
  kept: Walk,
  gone: Walk,
): Launch[] {
  const outputs = sizeOf(kept.shape);
  const length = sizeOf(gone.shape);
  const parts = length <= oneThread || outputs >= 4096 ? 1 : Math.min(256, Math.ceil(length / 1024));
  const consts = { MAX: kind === "amax" ? 1 : 0 };
  const params = { outputs, length, offset: x.layout.offset, ...padded("kept", kept), ...padded("gone", gone) };
  const launch = (input: Operand, target: Operand, p: Record<string, number>): Launch => ({
    kernel: reduce,
    inputs: [bind(input)],
    out: bind(target),
    consts,
    params: p,
    groups: Math.ceil((outputs * p.parts) / 64),
  });
  if (parts === 1) return [launch(x, out, { ...params, parts })];
  const partial = temporary({ shape: [outputs, parts], dtype: out.dtype });
  const rows = { ...padded("kept", { shape: [outputs], strides: [[parts]] }), ...padded("gone", { shape: [parts], strides: [[1]] }) };
  return [launch(x, partial, { ...params, parts }), launch(partial, out, { outputs, length: parts, offset: 0, parts: 1, ...rows })];
}

/** Axes that alternate too often to walk: put the reduced ones last first. */
function viaCopy(kind: "sum" | "amax", call: Call<unknown>, x: Operand, rest: readonly number[], reduced: readonly number[]): Launch[] {
  const order = [...rest, ...reduced];
  const permuted: Layout = {
    shape: order.map((i) => x.layout.shape[i]),
    strides: order.map((i) => x.layout.strides[i]),
    offset: x.layout.offset,
  };
  const copy = call.temporary({ shape: permuted.shape, dtype: x.dtype === "f16" ? "f32" : x.dtype });
  const length = sizeOf(reduced.map((i) => x.layout.shape[i]));
  const outputs = sizeOf(permuted.shape) / Math.max(1, length);
  return [
    ...copyLaunches(call.facts, { ...x, layout: permuted }, copy),
    ...fold(kind, call, copy, { shape: [outputs], strides: [[length]] }, { shape: [length], strides: [[1]] }),
  ];
}

function padded(name: "kept" | "gone", { shape, strides: [s] }: Walk): Record<string, number> {
  const lead = 4 - shape.length;
  return Object.fromEntries(
    axes.flatMap((a, i) => [
      [`${name}${a}`, i < lead ? 1 : shape[i - lead]],
      [`${name}Stride${a}`, i < lead ? 0 : s[i - lead]],
    ]),
  );
}
