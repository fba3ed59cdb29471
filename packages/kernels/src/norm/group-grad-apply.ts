import type { Kernel } from "../kernel.ts";

const inputs = (width: 1 | 4) =>
  [
    { name: "g", width },
    { name: "x", width },
    { name: "coefficients", width: 4 },
  ] as const;

/** a·g + b·(x − mean) + c by channel plane, for planes of at least 1024 elements whose size is a multiple of four. */
export const groupGradApply: Kernel = {
  name: "groupGradApply",
  inputs: inputs(4),
  outWidth: 4,
  params: ["planes", "plane"],
  body: /* wgsl */ `
// One workgroup per 1024 elements of one channel plane, so the coefficients are read once per thread.
@compute @workgroup_size(64)
fn main(@builtin(workgroup_id) group: vec3u, @builtin(num_workgroups) grid: vec3u, @builtin(local_invocation_index) thread: u32) {
  let quads = P.plane / 4u;
  let chunks = (P.plane + 1023u) / 1024u;
  let tile = group.y * grid.x + group.x;
  let plane = tile / chunks;
  if (plane >= P.planes) { return; }
  let k = coefficients_at4(plane);
  let first = tile % chunks * 256u;
  let last = min(first + 256u, quads);
  for (var i = first + thread; i < last; i += 64u) {
    out[plane * quads + i] = k.x * g_at4(plane * quads + i) + (k.z * (x_at4(plane * quads + i) - k.y) + k.w);
  }
}`,
};

/** As {@link groupGradApply}, for smaller planes whose size is a multiple of four. */
export const groupGradApplySmall: Kernel = {
  name: "groupGradApplySmall",
  inputs: inputs(4),
  outWidth: 4,
  params: ["planes", "plane"],
  body: /* wgsl */ `
@compute @workgroup_size(64)
fn main(@builtin(workgroup_id) group: vec3u, @builtin(num_workgroups) grid: vec3u, @builtin(local_invocation_index) thread: u32) {
  let quads = P.plane / 4u;
  let at = (group.y * grid.x + group.x) * 64u + thread;
  if (at >= P.planes * quads) { return; }
  let k = coefficients_at4(at / quads);
  out[at] = k.x * g_at4(at) + (k.z * (x_at4(at) - k.y) + k.w);
}`,
};

/** As {@link groupGradApply}, for planes of any size. */
export const groupGradApplyScalar: Kernel = {
  name: "groupGradApplyScalar",
  inputs: inputs(1),
  outWidth: 1,
  params: ["planes", "plane"],
  body: /* wgsl */ `
@compute @workgroup_size(64)
fn main(@builtin(workgroup_id) group: vec3u, @builtin(num_workgroups) grid: vec3u, @builtin(local_invocation_index) thread: u32) {
  let at = (group.y * grid.x + group.x) * 64u + thread;
  if (at >= P.planes * P.plane) { return; }
  let k = coefficients_at4(at / P.plane);
  out[at] = k.x * g_at(at) + (k.z * (x_at(at) - k.y) + k.w);
}`,
};
