import type { Kernel } from "../kernel.ts";

/** One thread per row, cached over three passes; `columns` is a multiple of four. For CPUs: a workgroup tree is many times slower there. */
export const softmaxLanes: Kernel = {
  name: "softmaxLanes",
  inputs: [{ name: "x", width: 4 }],
  outWidth: 4,
  params: ["rows", "columns"],
  body: /* wgsl */ `
@compute @workgroup_size(8)
fn main(@builtin(workgroup_id) group: vec3u, @builtin(num_workgroups) grid: vec3u, @builtin(local_invocation_index) lane: u32) {
  let row = (group.y * grid.x + group.x) * 8u + lane;
  if (row >= P.rows) { return; }
  let quads = P.columns / 4u;
  let start = row * quads;
  var high = x_at4(start);
  for (var i = 1u; i < quads; i++) { high = max(high, x_at4(start + i)); }
  let top = max(max(high.x, high.y), max(high.z, high.w));
  var sums = vec4f();
  for (var i = 0u; i < quads; i++) {
    let e = exp(x_at4(start + i) - top);
    sums += e;
    out[start + i] = e;
  }
  let inverse = 1.0 / dot(sums, vec4f(1.0));
  for (var i = 0u; i < quads; i++) { out[start + i] *= inverse; }
}`,
};
