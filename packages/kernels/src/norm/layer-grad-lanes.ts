import type { Kernel } from "../kernel.ts";

/** One thread per row, which stays in cache over two passes; `columns` is a multiple of four. For CPUs. */
export const layerGradLanes: Kernel = {
  name: "layerGradLanes",
  inputs: [
    { name: "g", width: 4 },
    { name: "x", width: 4 },
    { name: "moments", width: 1 },
    { name: "weight", width: 4 },
  ],
  outWidth: 4,
  params: ["rows", "columns", "row"],
  body: /* wgsl */ `
fn weighed(at: u32, column: u32) -> vec4f {
  if (AFFINE == 1u) { return g_at4(at) * weight_at4(column); }
  return g_at4(at);
}

@compute @workgroup_size(8)
fn main(@builtin(workgroup_id) group: vec3u, @builtin(num_workgroups) grid: vec3u, @builtin(local_invocation_index) lane: u32) {
  let row = (group.y * grid.x + group.x) * 8u + lane;
  if (row >= P.rows) { return; }
  let quads = P.columns / 4u;
  let start = row * quads;
  let mean = moments_at((P.row + row) * 2u);
  let scale = moments_at((P.row + row) * 2u + 1u);
  var totals = vec4f();
  var alongs = vec4f();
  for (var i = 0u; i < quads; i++) {
    let v = weighed(start + i, i);
    totals += v;
    alongs += v * (x_at4(start + i) - mean);
  }
  let shift = dot(totals, vec4f(1.0)) / f32(P.columns);
  let slope = dot(alongs, vec4f(1.0)) / f32(P.columns) * scale * scale;
  for (var i = 0u; i < quads; i++) {
    out[start + i] = scale * (weighed(start + i, i) - shift - (x_at4(start + i) - mean) * slope);
  }
}`,
};
