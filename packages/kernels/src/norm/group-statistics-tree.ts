import type { Kernel } from "../kernel.ts";
import { tree } from "../tree.ts";

/** Mean and sum of squared deviations from it for every chunk of every row, as pairs. One workgroup per chunk, of any length. */
export const groupStatisticsTree: Kernel = {
  name: "groupStatisticsTree",
  inputs: [{ name: "x", width: 1 }],
  outWidth: 1,
  params: ["rows", "length", "splits", "chunk"],
  body: /* wgsl */ `${tree}
// One workgroup per chunk.
@compute @workgroup_size(256)
fn main(@builtin(workgroup_id) group: vec3u, @builtin(num_workgroups) grid: vec3u, @builtin(local_invocation_index) thread: u32) {
  let at = group.y * grid.x + group.x;
  let first = at % P.splits * P.chunk;
  let count = min(P.chunk, P.length - first);
  let start = at / P.splits * P.length + first;
  var sum = 0.0;
  for (var i = thread; i < count; i += THREADS) { sum += x_at(start + i); }
  let mean = treeSum(thread, sum) / f32(count);
  var squares = 0.0;
  for (var i = thread; i < count; i += THREADS) {
    let d = x_at(start + i) - mean;
    squares += d * d;
  }
  squares = treeSum(thread, squares);
  if (thread == 0u && at < P.rows * P.splits) {
    out[at * 2u] = mean;
    out[at * 2u + 1u] = squares;
  }
}`,
};
