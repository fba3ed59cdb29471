import type { Kernel } from "../kernel.ts";

/** One thread per row, which stays in cache over two passes; `columns` is a multiple of four. For CPUs. */
export const softmaxGradLanes: Kernel = {
  name: "softmaxGradLanes",
  inputs: [
    { name: "g", width: 4 },
    { name: "y", width: 4 },
  ],
  outWidth: 4,
  params: ["rows", "columns"],
  body: /* wgsl */ `
@compute @workgroup_size(8)
fn main(@builtin(workgroup_id) group: vec3u, @builtin(num_workgroups) grid: vec3u, @builtin(local_invocation_index) lane: u32) {
  let row = (group.y * grid.x + group.x) * 8u + lane;
  if (row >= P.rows) { return; }
  let start = row * (P.columns / 4u);
  let end = start + P.columns / 4u;
  var alongs = vec4f();
  for (var i = start; i < end; i++) { alongs += g_at4(i) * y_at4(i); }
  let along = dot(alongs, vec4f(1.0));
  for (var i = start; i < end; i++) { out[i] = y_at4(i) * (g_at4(i) - along); }
}`,
};
