import type { Kernel } from "../kernel.ts";

/** One thread per row, cached over three passes; `columns` is a multiple of four. For CPUs: a workgroup tree is many times slower there. */
export const layerNormLanes: Kernel = {
  name: "layerNormLanes",
  inputs: [
    { name: "x", width: 4 },
    { name: "weight", width: 4 },
    { name: "bias", width: 4 },
  ],
  outWidth: 4,
  params: ["rows", "columns", ["eps", "f32"]],
  body: /* wgsl */ `
@compute @workgroup_size(8)
fn main(@builtin(workgroup_id) group: vec3u, @builtin(num_workgroups) grid: vec3u, @builtin(local_invocation_index) lane: u32) {
  let row = (group.y * grid.x + group.x) * 8u + lane;
  if (row >= P.rows) { return; }
  let quads = P.columns / 4u;
  let start = row * quads;
  var sum = vec4f();
  for (var i = 0u; i < quads; i++) { sum += x_at4(start + i); }
  let mean = dot(sum, vec4f(1.0)) / f32(P.columns);
  var squares = vec4f();
  for (var i = 0u; i < quads; i++) {
    let d = x_at4(start + i) - mean;
    squares += d * d;
  }
  let scale = inverseSqrt(dot(squares, vec4f(1.0)) / f32(P.columns) + P.eps);
  for (var i = 0u; i < quads; i++) {
    var y = (x_at4(start + i) - mean) * scale;
    if (AFFINE == 1u) { y = y * weight_at4(i) + bias_at4(i); }
    out[start + i] = y;
  }
}`,
};
