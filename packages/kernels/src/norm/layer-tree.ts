import type { Kernel } from "../kernel.ts";
import { tree } from "../tree.ts";

/** One workgroup a row of any length. */
export const layerNormTree: Kernel = {
  name: "layerNormTree",
  inputs: [
    { name: "x", width: 1 },
    { name: "weight", width: 1 },
    { name: "bias", width: 1 },
  ],
  outWidth: 1,
  params: ["rows", "columns", ["eps", "f32"]],
  body: /* wgsl */ `${tree}
@compute @workgroup_size(256)
fn main(@builtin(workgroup_id) group: vec3u, @builtin(num_workgroups) grid: vec3u, @builtin(local_invocation_index) thread: u32) {
  let row = group.y * grid.x + group.x;
  let start = row * P.columns;
  var sum = 0.0;
  for (var i = thread; i < P.columns; i += THREADS) { sum += x_at(start + i); }
  let mean = treeSum(thread, sum) / f32(P.columns);
  var squares = 0.0;
  for (var i = thread; i < P.columns; i += THREADS) {
    let d = x_at(start + i) - mean;
    squares += d * d;
  }
  let scale = inverseSqrt(treeSum(thread, squares) / f32(P.columns) + P.eps);
  if (row >= P.rows) { return; }
  for (var i = thread; i < P.columns; i += THREADS) {
    var y = (x_at(start + i) - mean) * scale;
    if (AFFINE == 1u) { y = y * weight_at(i) + bias_at(i); }
    out[start + i] = y;
  }
}`,
};
