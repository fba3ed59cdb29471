import type { Kernel } from "../kernel.ts";

/** (x − mean) · scale + bias by channel plane, for planes of any size. */
export const groupApplyScalar: Kernel = {
  name: "groupApplyScalar",
  inputs: [
    { name: "x", width: 1 },
    { name: "coefficients", width: 1 },
    { name: "bias", width: 1 },
  ],
  outWidth: 1,
  params: ["planes", "plane", "C", "channel"],
  body: /* wgsl */ `
@compute @workgroup_size(64)
fn main(@builtin(workgroup_id) group: vec3u, @builtin(num_workgroups) grid: vec3u, @builtin(local_invocation_index) thread: u32) {
  let chunks = (P.plane + 1023u) / 1024u;
  let tile = group.y * grid.x + group.x;
  let plane = tile / chunks;
  if (plane >= P.planes) { return; }
  let first = tile % chunks * 1024u;
  let mean = coefficients_at(plane * 2u);
  let scale = coefficients_at(plane * 2u + 1u);
  var shift = 0.0;
  if (AFFINE == 1u) { shift = bias_at((P.channel + plane) % P.C); }
  let last = min(first + 1024u, P.plane);
  for (var i = first + thread; i < last; i += 64u) {
    out[plane * P.plane + i] = (x_at(plane * P.plane + i) - mean) * scale + shift;
  }
}`,
};
