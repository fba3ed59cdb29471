import type { Kernel } from "../kernel.ts";
import { larger } from "../larger.ts";
import { tree } from "../tree.ts";

/** x as [rows, length] to [rows, splits], one workgroup a chunk of `length`. No chunk is empty. MAX: 0 adds, 1 takes the largest. */
export const reduceTree: Kernel = {
  name: "reduceTree",
  inputs: [{ name: "x", width: 1 }],
  outWidth: 1,
  params: ["rows", "length", "splits", "chunk"],
  body: /* wgsl */ `${tree}
@compute @workgroup_size(256)
fn main(@builtin(workgroup_id) group: vec3u, @builtin(num_workgroups) grid: vec3u, @builtin(local_invocation_index) thread: u32) {
  let at = group.y * grid.x + group.x;
  let first = at % P.splits * P.chunk;
  let count = min(P.chunk, P.length - first);
  let start = at / P.splits * P.length + first;
  var value = select(T(0), T(x_at(start + min(thread, count - 1u))), MAX == 1u);
  for (var i = thread; i < count; i += THREADS) {
    let v = T(x_at(start + i));
    value = select(value + v, ${larger("value", "v")}, MAX == 1u);
  }
  if (MAX == 1u) { value = treeMax(thread, value); } else { value = treeSum(thread, value); }
  if (thread == 0u && at < P.rows * P.splits) { out[at] = value; }
}`,
};
