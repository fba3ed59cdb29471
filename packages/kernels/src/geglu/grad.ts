import type { Kernel } from "../kernel.ts";
import { prelude } from "../wgsl.ts";

/** Both halves of a row's cotangent at once: they share Φ. One workgroup per row; halves are multiples of four. */
export const gegluGrad: Kernel = {
  name: "gegluGrad",
  inputs: [
    { name: "g", width: 4 },
    { name: "x", width: 4 },
  ],
  outWidth: 4,
  params: ["rows", "half"],
  body: /* wgsl */ `${prelude}
@compute @workgroup_size(64)
fn main(@builtin(workgroup_id) group: vec3u, @builtin(num_workgroups) grid: vec3u, @builtin(local_invocation_index) lane: u32) {
  let row = group.y * grid.x + group.x;
  if (row >= P.rows) { return; }
  let quads = P.half / 4u;
  for (var i = lane; i < quads; i += 64u) {
    let value = row * 2u * quads + i;
    let v = g_at4(row * quads + i);
    let t = x_at4(value + quads);
    let below = 0.5 * (1.0 + erf4(t * 0.70710678));
    out[value] = v * t * below;
    out[value + quads] = v * x_at4(value) * (below + t * (0.3989422804 * exp(-0.5 * t * t)));
  }
}`,
};

/** As {@link gegluGrad}, for halves of any length. */
export const gegluGradScalar: Kernel = {
  name: "gegluGradScalar",
  inputs: [
    { name: "g", width: 1 },
    { name: "x", width: 1 },
  ],
  outWidth: 1,
  params: ["rows", "half"],
  body: /* wgsl */ `${prelude}
@compute @workgroup_size(64)
fn main(@builtin(workgroup_id) group: vec3u, @builtin(num_workgroups) grid: vec3u, @builtin(local_invocation_index) lane: u32) {
  let row = group.y * grid.x + group.x;
  if (row >= P.rows) { return; }
  for (var i = lane; i < P.half; i += 64u) {
    let value = row * 2u * P.half + i;
    let v = g_at(row * P.half + i);
    let t = x_at(value + P.half);
    let below = 0.5 * (1.0 + erf1(t * 0.70710678));
    out[value] = v * t * below;
    out[value + P.half] = v * x_at(value) * (below + t * (0.3989422804 * exp(-0.5 * t * t)));
  }
}`,
};
