import type { Kernel } from "../kernel.ts";
import { tree } from "../tree.ts";

/** One workgroup a row of any length. */
export const softmaxTree: Kernel = {
  name: "softmaxTree",
  inputs: [{ name: "x", width: 1 }],
  outWidth: 1,
  params: ["rows", "columns"],
  body: /* wgsl */ `${tree}
@compute @workgroup_size(256)
fn main(@builtin(workgroup_id) group: vec3u, @builtin(num_workgroups) grid: vec3u, @builtin(local_invocation_index) thread: u32) {
  let row = group.y * grid.x + group.x;
  let start = row * P.columns;
  var high = -3.4028234e38;
  for (var i = thread; i < P.columns; i += THREADS) { high = max(high, x_at(start + i)); }
  let top = treeMax(thread, high);
  var sum = 0.0;
  for (var i = thread; i < P.columns; i += THREADS) { sum += exp(x_at(start + i) - top); }
  let inverse = 1.0 / treeSum(thread, sum);
  if (row >= P.rows) { return; }
  for (var i = thread; i < P.columns; i += THREADS) { out[start + i] = exp(x_at(start + i) - top) * inverse; }
}`,
};
