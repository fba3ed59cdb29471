import type { Kernel } from "../kernel.ts";
import { tree } from "../tree.ts";

/** One workgroup a row of any length. */
export const layerGradTree: Kernel = {
  name: "layerGradTree",
  inputs: [
    { name: "g", width: 1 },
    { name: "x", width: 1 },
    { name: "moments", width: 1 },
    { name: "weight", width: 1 },
  ],
  outWidth: 1,
  params: ["rows", "columns", "row"],
  body: /* wgsl */ `${tree}
fn weighed(at: u32, column: u32) -> f32 {
  if (AFFINE == 1u) { return g_at(at) * weight_at(column); }
  return g_at(at);
}

@compute @workgroup_size(256)
fn main(@builtin(workgroup_id) group: vec3u, @builtin(num_workgroups) grid: vec3u, @builtin(local_invocation_index) thread: u32) {
  let row = group.y * grid.x + group.x;
  let start = row * P.columns;
  let mean = moments_at((P.row + row) * 2u);
  let scale = moments_at((P.row + row) * 2u + 1u);
  var total = 0.0;
  var along = 0.0;
  for (var i = thread; i < P.columns; i += THREADS) {
    let v = weighed(start + i, i);
    total += v;
    along += v * (x_at(start + i) - mean);
  }
  let shift = treeSum(thread, total) / f32(P.columns);
  let slope = treeSum(thread, along) / f32(P.columns) * scale * scale;
  if (row >= P.rows) { return; }
  for (var i = thread; i < P.columns; i += THREADS) {
    out[start + i] = scale * (weighed(start + i, i) - shift - (x_at(start + i) - mean) * slope);
  }
}`,
};
