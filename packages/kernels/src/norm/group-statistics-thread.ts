import type { Kernel } from "../kernel.ts";

/**
 * Mean and sum of squared deviations from it for every chunk of every row, as pairs. One thread per chunk, four elements at a time: length
 * and chunk are multiples of four.
 */
export const groupStatisticsThread: Kernel = {
  name: "groupStatisticsThread",
  inputs: [{ name: "x", width: 4 }],
  outWidth: 1,
  params: ["rows", "length", "splits", "chunk"],
  body: /* wgsl */ `
// One thread per chunk: mean first, then squared deviations, so a large mean costs no precision.
@compute @workgroup_size(8)
fn main(@builtin(workgroup_id) group: vec3u, @builtin(num_workgroups) grid: vec3u, @builtin(local_invocation_index) lane: u32) {
  let at = (group.y * grid.x + group.x) * 8u + lane;
  if (at >= P.rows * P.splits) { return; }
  let first = at % P.splits * P.chunk;
  let count = min(P.chunk, P.length - first);
  let start = (at / P.splits * P.length + first) / 4u;
  let quads = count / 4u;
  var sum = vec4f();
  for (var i = 0u; i < quads; i++) { sum += x_at4(start + i); }
  let mean = dot(sum, vec4f(1.0)) / f32(count);
  var squares = vec4f();
  for (var i = 0u; i < quads; i++) {
    let d = x_at4(start + i) - mean;
    squares += d * d;
  }
  out[at * 2u] = mean;
  out[at * 2u + 1u] = dot(squares, vec4f(1.0));
}`,
};
