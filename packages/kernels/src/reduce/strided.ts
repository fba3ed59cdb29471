import type { Kernel } from "../kernel.ts";
import { larger } from "../larger.ts";

/** Most kept axes, and most folded axes, that the kernel walks. */
export const maxAxes = 4;

const axes = ["0", "1", "2", "3"];

/** Any strides: each thread folds one part of one output's elements. MAX: 0 adds, 1 takes the largest. */
export const reduceStrided: Kernel = {
  name: "reduceStrided",
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
  var value = T(0);
  if (MAX == 1u) { value = T(x_at(base)); }
  // Sums of sums: the rounding error grows with the square root of the length instead of the length.
  for (var start = first; start < last; start += 64u) {
    var sum = T(0);
    let end = min(start + 64u, last);
    for (var j = start; j < end; j++) {
      let v = T(x_at(base + gone(j)));
      if (MAX == 1u) { value = ${larger("value", "v")}; } else { sum += v; }
    }
    value += sum;
  }
  out[i] = value;
}`,
};

/** Axes and their strides, outermost first. */
export interface Walk {
  readonly shape: readonly number[];
  readonly strides: readonly number[];
}

/** The kernel's parameters for the axes that are kept and those that are folded. */
export const walks = (kept: Walk, gone: Walk): Record<string, number> => ({ ...padded("kept", kept), ...padded("gone", gone) });

function padded(name: "kept" | "gone", { shape, strides }: Walk): Record<string, number> {
  const lead = maxAxes - shape.length;
  return Object.fromEntries(
    axes.flatMap((a, i) => [
      [`${name}${a}`, i < lead ? 1 : shape[i - lead]],
      [`${name}Stride${a}`, i < lead ? 0 : strides[i - lead]],
    ]),
  );
}
