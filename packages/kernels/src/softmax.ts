import { sizeOf } from "@snoopi/core";
import { bindable, bindDense } from "./binding.ts";
import type { Kernel } from "./kernel.ts";
import type { Lowering } from "./lowering.ts";
import { byRows } from "./split.ts";

/** One thread per row, three passes over it. */
const kernel: Kernel = {
  name: "softmax",
  inputs: [{ name: "x", width: 1 }],
  outWidth: 1,
  params: ["rows", "length"],
  body: /* wgsl */ `
@compute @workgroup_size(64)
fn main(@builtin(workgroup_id) group: vec3u, @builtin(num_workgroups) grid: vec3u, @builtin(local_invocation_index) lane: u32) {
  let row = (group.y * grid.x + group.x) * 64u + lane;
  if (row >= P.rows) { return; }
  let first = row * P.length;
  var largest = x_at(first);
  for (var i = 1u; i < P.length; i++) { largest = max(largest, x_at(first + i)); }
  var total = 0.0;
  for (var i = 0u; i < P.length; i++) { total += exp(x_at(first + i) - largest); }
  for (var i = 0u; i < P.length; i++) { out[first + i] = exp(x_at(first + i) - largest) / total; }
}`,
};

export const softmax: Lowering<void> = {
  accepts: (_, layout) => bindable(layout),
  launch(call) {
    const { shape } = call.inputs[0].layout;
    const length = shape[shape.length - 1];
    return byRows(call, sizeOf(shape) / length, ({ count: rows, x, out }) => [
      { kernel, inputs: [bindDense(x)], out: bindDense(out), params: { rows, length }, groups: Math.ceil(rows / 64) },
    ]);
  },
};
