import type { Kernel } from "../kernel.ts";

/** One thread a row of any length. For CPUs. */
export const layerGradLanesScalar: Kernel = {
  name: "layerGradLanesScalar",
  inputs: [
    { name: "g", width: 1 },
    { name: "x", width: 1 },
    { name: "moments", width: 1 },
    { name: "weight", width: 1 },
  ],
  outWidth: 1,
  params: ["rows", "columns", "row"],
  body: /* wgsl */ `
fn weighed(at: u32, column: u32) -> f32 {
  if (AFFINE == 1u) { return g_at(at) * weight_at(column); }
  return g_at(at);
}

@compute @workgroup_size(8)
fn main(@builtin(workgroup_id) group: vec3u, @builtin(num_workgroups) grid: vec3u, @builtin(local_invocation_index) lane: u32) {
  let row = (group.y * grid.x + group.x) * 8u + lane;
  if (row >= P.rows) { return; }
  let start = row * P.columns;
  let mean = moments_at((P.row + row) * 2u);
  let scale = moments_at((P.row + row) * 2u + 1u);
  var total = 0.0;
  var along = 0.0;
  for (var i = 0u; i < P.columns; i++) {
    let v = weighed(start + i, i);
    total += v;
    along += v * (x_at(start + i) - mean);
  }
  let shift = total / f32(P.columns);
  let slope = along / f32(P.columns) * scale * scale;
  for (var i = 0u; i < P.columns; i++) {
    out[start + i] = scale * (weighed(start + i, i) - shift - (x_at(start + i) - mean) * slope);
  }
}`,
};
