import type { Kernel } from "../kernel.ts";
import { tree } from "../tree.ts";

/** One workgroup a row of any length. */
export const softmaxGradTree: Kernel = {
  name: "softmaxGradTree",
  inputs: [
    { name: "g", width: 1 },
    { name: "y", width: 1 },
  ],
  outWidth: 1,
  params: ["rows", "columns"],
  body: /* wgsl */ `${tree}
@compute @workgroup_size(256)
fn main(@builtin(workgroup_id) group: vec3u, @builtin(num_workgroups) grid: vec3u, @builtin(local_invocation_index) thread: u32) {
  let row = group.y * grid.x + group.x;
  let start = row * P.columns;
  var sum = 0.0;
  for (var i = thread; i < P.columns; i += THREADS) { sum += g_at(start + i) * y_at(start + i); }
  let along = treeSum(thread, sum);
  if (row >= P.rows) { return; }
  for (var i = thread; i < P.columns; i += THREADS) { out[start + i] = y_at(start + i) * (g_at(start + i) - along); }
}`,
};
