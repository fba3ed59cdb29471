import type { Kernel } from "../kernel.ts";
import { prelude } from "../wgsl.ts";

/** One workgroup per row, so that finding a value's gate takes no division; halves are multiples of four. */
export const geglu: Kernel = {
  name: "geglu",
  inputs: [{ name: "x", width: 4 }],
  outWidth: 4,
  params: ["rows", "half"],
  body: /* wgsl */ `${prelude}
@compute @workgroup_size(64)
fn main(@builtin(workgroup_id) group: vec3u, @builtin(num_workgroups) grid: vec3u, @builtin(local_invocation_index) lane: u32) {
  let row = group.y * grid.x + group.x;
  if (row >= P.rows) { return; }
  let quads = P.half / 4u;
  for (var i = lane; i < quads; i += 64u) {
    let t = x_at4((row * 2u + 1u) * quads + i);
    out[row * quads + i] = x_at4(row * 2u * quads + i) * (0.5 * t * (1.0 + erf4(t * 0.70710678)));
  }
}`,
};

/** As {@link geglu}, for halves of any length. */
export const gegluScalar: Kernel = {
  name: "gegluScalar",
  inputs: [{ name: "x", width: 1 }],
  outWidth: 1,
  params: ["rows", "half"],
  body: /* wgsl */ `${prelude}
@compute @workgroup_size(64)
fn main(@builtin(workgroup_id) group: vec3u, @builtin(num_workgroups) grid: vec3u, @builtin(local_invocation_index) lane: u32) {
  let row = group.y * grid.x + group.x;
  if (row >= P.rows) { return; }
  for (var i = lane; i < P.half; i += 64u) {
    let t = x_at((row * 2u + 1u) * P.half + i);
    out[row * P.half + i] = x_at(row * 2u * P.half + i) * (0.5 * t * (1.0 + erf1(t * 0.70710678)));
  }
}`,
};
