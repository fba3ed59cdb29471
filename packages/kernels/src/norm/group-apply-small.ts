import type { Kernel } from "../kernel.ts";

/** (x − mean) · scale + bias, for planes too small to keep a workgroup each busy; their size is a multiple of four. */
export const groupApplySmall: Kernel = {
  name: "groupApplySmall",
  inputs: [
    { name: "x", width: 4 },
    { name: "coefficients", width: 1 },
    { name: "bias", width: 1 },
  ],
  outWidth: 4,
  params: ["planes", "plane", "C", "channel"],
  body: /* wgsl */ `
@compute @workgroup_size(64)
fn main(@builtin(workgroup_id) group: vec3u, @builtin(num_workgroups) grid: vec3u, @builtin(local_invocation_index) thread: u32) {
  let quads = P.plane / 4u;
  let at = (group.y * grid.x + group.x) * 64u + thread;
  if (at >= P.planes * quads) { return; }
  let plane = at / quads;
  var shift = 0.0;
  if (AFFINE == 1u) { shift = bias_at((P.channel + plane) % P.C); }
  out[at] = (x_at4(at) - coefficients_at(plane * 2u)) * coefficients_at(plane * 2u + 1u) + shift;
}`,
};
