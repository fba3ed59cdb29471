import type { Kernel } from "../kernel.ts";

/**
 * For each channel plane the numbers of dx = a·g + b·(x − mean) + c, as (a, mean, b, c): a = γ/σ, b = −mean(γg x̂)/σ², c = −mean(γg)/σ. A
 * group has `share` planes; the first group here is `row` of all, and its first plane of channel `channel`.
 */
export const groupGradCoefficients: Kernel = {
  name: "groupGradCoefficients",
  inputs: [
    { name: "moments", width: 1 },
    { name: "sums", width: 1 },
    { name: "weight", width: 1 },
  ],
  outWidth: 4,
  params: ["planes", "C", "channel", "share", "row", ["inverse", "f32"]],
  body: /* wgsl */ `
fn gain(plane: u32) -> f32 {
  if (AFFINE == 1u) { return weight_at((P.channel + plane) % P.C); }
  return 1.0;
}

@compute @workgroup_size(64)
fn main(@builtin(workgroup_id) group: vec3u, @builtin(num_workgroups) grid: vec3u, @builtin(local_invocation_index) thread: u32) {
  let at = (group.y * grid.x + group.x) * 64u + thread;
  if (at >= P.planes) { return; }
  let row = at / P.share;
  let before = P.row * P.share;
  var total = 0.0;
  var along = 0.0;
  for (var plane = row * P.share; plane < (row + 1u) * P.share; plane++) {
    total += gain(plane) * sums_at((before + plane) * 2u);
    along += gain(plane) * sums_at((before + plane) * 2u + 1u);
  }
  let scale = moments_at((P.row + row) * 2u + 1u);
  out[at] = vec4f(gain(at) * scale, moments_at((P.row + row) * 2u), -along * P.inverse * scale * scale, -total * P.inverse * scale);
}`,
};
