import type { Kernel } from "../kernel.ts";

/** (x − mean) · scale + bias by channel plane, for planes of at least 1024 elements whose size is a multiple of four. */
export const groupApply: Kernel = {
  name: "groupApply",
  inputs: [
    { name: "x", width: 4 },
    { name: "coefficients", width: 1 },
    { name: "bias", width: 1 },
  ],
  outWidth: 4,
  params: ["planes", "plane", "C", "channel"],
  body: /* wgsl */ `
// One workgroup per 1024 elements of one channel plane, so the coefficients are read once per thread.
@compute @workgroup_size(64)
fn main(@builtin(workgroup_id) group: vec3u, @builtin(num_workgroups) grid: vec3u, @builtin(local_invocation_index) thread: u32) {
  let quads = P.plane / 4u;
  let chunks = (P.plane + 1023u) / 1024u;
  let tile = group.y * grid.x + group.x;
  let plane = tile / chunks;
  if (plane >= P.planes) { return; }
  let first = tile % chunks * 256u;
  let mean = coefficients_at(plane * 2u);
  let scale = coefficients_at(plane * 2u + 1u);
  var shift = 0.0;
  if (AFFINE == 1u) { shift = bias_at((P.channel + plane) % P.C); }
  let last = min(first + 256u, quads);
  for (var i = first + thread; i < last; i += 64u) {
    out[plane * quads + i] = (x_at4(plane * quads + i) - mean) * scale + shift;
  }
}`,
};
