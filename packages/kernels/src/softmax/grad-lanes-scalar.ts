import type { Kernel } from "../kernel.ts";

/** One thread a row of any length. For CPUs. */
export const softmaxGradLanesScalar: Kernel = {
  name: "softmaxGradLanesScalar",
  inputs: [
    { name: "g", width: 1 },
    { name: "y", width: 1 },
  ],
  outWidth: 1,
  params: ["rows", "columns"],
  body: /* wgsl */ `
@compute @workgroup_size(8)
fn main(@builtin(workgroup_id) group: vec3u, @builtin(num_workgroups) grid: vec3u, @builtin(local_invocation_index) lane: u32) {
  let row = (group.y * grid.x + group.x) * 8u + lane;
  if (row >= P.rows) { return; }
  let start = row * P.columns;
  let end = start + P.columns;
  // Rotating partial sums: four short sums round less than a long one.
  var alongs = vec4f();
  for (var i = start; i < end; i++) { alongs = vec4f(alongs.yzw, alongs.x + g_at(i) * y_at(i)); }
  let along = dot(alongs, vec4f(1.0));
  for (var i = start; i < end; i++) { out[i] = y_at(i) * (g_at(i) - along); }
}`,
};
