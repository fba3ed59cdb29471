import type { Kernel } from "../kernel.ts";

/**
 * Σ g and Σ g x̂ of every chunk of every channel plane, as pairs. One thread per chunk, four elements at a time: plane and chunk are
 * multiples of four.
 */
export const planeSumsThread: Kernel = {
  name: "planeSumsThread",
  inputs: [
    { name: "g", width: 4 },
    { name: "x", width: 4 },
    { name: "moments", width: 1 },
  ],
  outWidth: 1,
  params: ["planes", "share", "row", "length", "splits", "chunk"],
  body: /* wgsl */ `
@compute @workgroup_size(8)
fn main(@builtin(workgroup_id) group: vec3u, @builtin(num_workgroups) grid: vec3u, @builtin(local_invocation_index) lane: u32) {
  let at = (group.y * grid.x + group.x) * 8u + lane;
  if (at >= P.planes * P.splits) { return; }
  let plane = at / P.splits;
  let row = P.row + plane / P.share;
  let mean = moments_at(row * 2u);
  let first = at % P.splits * P.chunk;
  let start = (plane * P.length + first) / 4u;
  let end = start + min(P.chunk, P.length - first) / 4u;
  var total = vec4f();
  var along = vec4f();
  for (var i = start; i < end; i++) {
    let v = g_at4(i);
    total += v;
    along += v * (x_at4(i) - mean);
  }
  out[at * 2u] = dot(total, vec4f(1.0));
  out[at * 2u + 1u] = dot(along, vec4f(1.0)) * moments_at(row * 2u + 1u);
}`,
};
