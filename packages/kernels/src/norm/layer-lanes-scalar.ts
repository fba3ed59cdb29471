import type { Kernel } from "../kernel.ts";

/** One thread a row of any length. For CPUs. */
export const layerNormLanesScalar: Kernel = {
  name: "layerNormLanesScalar",
  inputs: [
    { name: "x", width: 1 },
    { name: "weight", width: 1 },
    { name: "bias", width: 1 },
  ],
  outWidth: 1,
  params: ["rows", "columns", ["eps", "f32"]],
  body: /* wgsl */ `
@compute @workgroup_size(8)
fn main(@builtin(workgroup_id) group: vec3u, @builtin(num_workgroups) grid: vec3u, @builtin(local_invocation_index) lane: u32) {
  let row = (group.y * grid.x + group.x) * 8u + lane;
  if (row >= P.rows) { return; }
  let start = row * P.columns;
  var sum = 0.0;
  for (var i = 0u; i < P.columns; i++) { sum += x_at(start + i); }
  let mean = sum / f32(P.columns);
  var squares = 0.0;
  for (var i = 0u; i < P.columns; i++) {
    let d = x_at(start + i) - mean;
    squares += d * d;
  }
  let scale = inverseSqrt(squares / f32(P.columns) + P.eps);
  for (var i = 0u; i < P.columns; i++) {
    var y = (x_at(start + i) - mean) * scale;
    if (AFFINE == 1u) { y = y * weight_at(i) + bias_at(i); }
    out[start + i] = y;
  }
}`,
};
