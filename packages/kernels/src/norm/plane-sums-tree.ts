import type { Kernel } from "../kernel.ts";
import { tree } from "../tree.ts";

/** Σ g and Σ g x̂ of every chunk of every channel plane, as pairs. One workgroup a chunk, of any length. */
export const planeSumsTree: Kernel = {
  name: "planeSumsTree",
  inputs: [
    { name: "g", width: 1 },
    { name: "x", width: 1 },
    { name: "moments", width: 1 },
  ],
  outWidth: 1,
  params: ["planes", "share", "row", "length", "splits", "chunk"],
  body: /* wgsl */ `${tree}
@compute @workgroup_size(256)
fn main(@builtin(workgroup_id) group: vec3u, @builtin(num_workgroups) grid: vec3u, @builtin(local_invocation_index) thread: u32) {
  let at = group.y * grid.x + group.x;
  let plane = at / P.splits;
  let row = P.row + plane / P.share;
  let mean = moments_at(row * 2u);
  let first = at % P.splits * P.chunk;
  let count = min(P.chunk, P.length - first);
  let start = plane * P.length + first;
  var total = 0.0;
  var along = 0.0;
  for (var i = thread; i < count; i += THREADS) {
    let v = g_at(start + i);
    total += v;
    along += v * (x_at(start + i) - mean);
  }
  total = treeSum(thread, total);
  along = treeSum(thread, along);
  if (thread == 0u && at < P.planes * P.splits) {
    out[at * 2u] = total;
    out[at * 2u + 1u] = along * moments_at(row * 2u + 1u);
  }
}`,
};
