import type { Kernel } from "../kernel.ts";

/** One thread a row of any length. For CPUs. */
export const softmaxLanesScalar: Kernel = {
  name: "softmaxLanesScalar",
  inputs: [{ name: "x", width: 1 }],
  outWidth: 1,
  params: ["rows", "columns"],
  body: /* wgsl */ `
@compute @workgroup_size(8)
fn main(@builtin(workgroup_id) group: vec3u, @builtin(num_workgroups) grid: vec3u, @builtin(local_invocation_index) lane: u32) {
  let row = (group.y * grid.x + group.x) * 8u + lane;
  if (row >= P.rows) { return; }
  let start = row * P.columns;
  var top = x_at(start);
  for (var i = 1u; i < P.columns; i++) { top = max(top, x_at(start + i)); }
  // Rotating partial sums: four short sums round less than a long one.
  var sums = vec4f();
  for (var i = 0u; i < P.columns; i++) {
    let e = exp(x_at(start + i) - top);
    sums = vec4f(sums.yzw, sums.x + e);
    out[start + i] = e;
  }
  let inverse = 1.0 / dot(sums, vec4f(1.0));
  for (var i = 0u; i < P.columns; i++) { out[start + i] *= inverse; }
}`,
};
