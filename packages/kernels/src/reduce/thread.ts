import type { Kernel } from "../kernel.ts";
import { larger } from "../larger.ts";

/**
 * x as [outer, length, inner] to [outer, splits, inner], one thread per chunk of `length`. MAX: 0 adds, 1 takes the largest; then no chunk
 * may be empty.
 */
export const reduceThread: Kernel = {
  name: "reduceThread",
  inputs: [{ name: "x", width: 1 }],
  outWidth: 1,
  params: ["outer", "length", "inner", "splits", "chunk"],
  body: /* wgsl */ `
@compute @workgroup_size(64)
fn main(@builtin(workgroup_id) group: vec3u, @builtin(num_workgroups) grid: vec3u, @builtin(local_invocation_index) thread: u32) {
  let at = (group.y * grid.x + group.x) * 64u + thread;
  if (at >= P.outer * P.splits * P.inner) { return; }
  let column = at % P.inner;
  let split = at / P.inner % P.splits;
  let start = at / (P.inner * P.splits) * P.length * P.inner + column;
  let first = split * P.chunk;
  let last = min(first + P.chunk, P.length);
  // Four interleaved partial results: shorter dependency chains and a smaller rounding error than one running sum.
  var parts = vec4<T>(select(T(0), T(x_at(start + first * P.inner)), MAX == 1u));
  var i = first;
  for (; i + 4u <= last; i += 4u) {
    let v = vec4<T>(vec4(x_at(start + i * P.inner), x_at(start + (i + 1u) * P.inner), x_at(start + (i + 2u) * P.inner), x_at(start + (i + 3u) * P.inner)));
    parts = select(parts + v, ${larger("parts", "v")}, MAX == 1u);
  }
  for (; i < last; i++) {
    let v = T(x_at(start + i * P.inner));
    parts.x = select(parts.x + v, ${larger("parts.x", "v")}, MAX == 1u);
  }
  let two = ${larger("parts.xy", "parts.zw")};
  out[at] = select(parts.x + parts.y + parts.z + parts.w, ${larger("two.x", "two.y")}, MAX == 1u);
}`,
};
