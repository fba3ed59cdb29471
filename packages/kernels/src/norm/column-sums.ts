import type { Kernel } from "../kernel.ts";

const params = ["rows", "columns", "block", "row", "base"] as const;

/**
 * Σ g x̂ and Σ g of the columns of every block of rows, to `[blocks, 2, columns]` from block `base` on. A thread goes down four columns of
 * one block, so that neighbouring threads read neighbouring columns. `columns` is a multiple of four.
 */
export const columnSums: Kernel = {
  name: "columnSums",
  inputs: [
    { name: "g", width: 4 },
    { name: "x", width: 4 },
    { name: "moments", width: 1 },
  ],
  outWidth: 4,
  params,
  body: /* wgsl */ `
@compute @workgroup_size(64)
fn main(@builtin(workgroup_id) group: vec3u, @builtin(num_workgroups) grid: vec3u, @builtin(local_invocation_index) thread: u32) {
  let at = (group.y * grid.x + group.x) * 64u + thread;
  let quads = P.columns / 4u;
  let first = at / quads * P.block;
  if (first >= P.rows) { return; }
  let column = at % quads;
  var along = vec4f();
  var total = vec4f();
  for (var row = first; row < min(first + P.block, P.rows); row++) {
    let v = g_at4(row * quads + column);
    total += v;
    along += v * ((x_at4(row * quads + column) - moments_at((P.row + row) * 2u)) * moments_at((P.row + row) * 2u + 1u));
  }
  let to = (P.base + at / quads) * 2u * quads + column;
  out[to] = along;
  out[to + quads] = total;
}`,
};

/** As {@link columnSums}, for any number of columns. */
export const columnSumsScalar: Kernel = {
  name: "columnSumsScalar",
  inputs: [
    { name: "g", width: 1 },
    { name: "x", width: 1 },
    { name: "moments", width: 1 },
  ],
  outWidth: 1,
  params,
  body: /* wgsl */ `
@compute @workgroup_size(64)
fn main(@builtin(workgroup_id) group: vec3u, @builtin(num_workgroups) grid: vec3u, @builtin(local_invocation_index) thread: u32) {
  let at = (group.y * grid.x + group.x) * 64u + thread;
  let first = at / P.columns * P.block;
  if (first >= P.rows) { return; }
  let column = at % P.columns;
  var along = 0.0;
  var total = 0.0;
  for (var row = first; row < min(first + P.block, P.rows); row++) {
    let v = g_at(row * P.columns + column);
    total += v;
    along += v * ((x_at(row * P.columns + column) - moments_at((P.row + row) * 2u)) * moments_at((P.row + row) * 2u + 1u));
  }
  let to = (P.base + at / P.columns) * 2u * P.columns + column;
  out[to] = along;
  out[to + P.columns] = total;
}`,
};
