import type { Kernel } from "../kernel.ts";
import { matmulParams } from "./params.ts";

/** Subgroups of eight lanes; any strides, any mix of f32 and f16. Constants: R rows and 32·C columns a group, BIAS 0 none, 1 per column, 2 per row. */
export const matmulLanes: Kernel = {
  name: "matmulLanes",
  subgroups: true,
  inputs: [
    { name: "a", width: 1 },
    { name: "b", width: 1 },
    { name: "bias", width: 1 },
  ],
  outWidth: 1,
  params: matmulParams,
  body: /* wgsl */ `
// One subgroup of 8 lanes owns R rows x 32*C columns. Lane l loads a[row, k + l] for every row, then each
// k is broadcast from its lane, so an element of a is loaded once per tile and costs no workgroup memory.
@compute @workgroup_size(8)
fn main(@builtin(workgroup_id) group: vec3u, @builtin(num_workgroups) grid: vec3u, @builtin(local_invocation_index) lane: u32) {
  let rowTiles = (P.M + R - 1u) / R;
  let colTiles = (P.N + 32u * C - 1u) / (32u * C);
  let tile = group.y * grid.x + group.x;
  let batch = tile / (rowTiles * colTiles);
  let row0 = tile / colTiles % rowTiles * R;
  let col0 = (tile % colTiles * 8u * C + lane) * 4u;
  let a0 = P.aOffset + batch / P.batchInner * P.aOuter + batch % P.batchInner * P.aInner + row0 * P.aRow;
  let b0 = P.bOffset + batch / P.batchInner * P.bOuter + batch % P.batchInner * P.bInner + col0 * P.bCol;

  var acc: array<array<vec4f, C>, R>;
  var bAt = b0;
  for (var k0 = 0u; k0 < P.K; k0 += 8u) {
    var x: array<f32, R>;
    for (var i = 0u; i < R; i++) { x[i] = a_at(a0 + i * P.aRow + (k0 + lane) * P.aCol); }
    let steps = min(8u, P.K - k0);
    for (var u = 0u; u < steps; u++) {
      var y: array<vec4f, C>;
      for (var j = 0u; j < C; j++) {
        let at = bAt + j * 32u * P.bCol;
        y[j] = vec4f(b_at(at), b_at(at + P.bCol), b_at(at + 2u * P.bCol), b_at(at + 3u * P.bCol));
      }
      bAt += P.bRow;
      for (var i = 0u; i < R; i++) {
        let s = vec4f(subgroupShuffle(x[i], u));
        for (var j = 0u; j < C; j++) { acc[i][j] = fma(s, y[j], acc[i][j]); }
      }
    }
  }

  // The runtime bound keeps this loop rolled: unrolled stores double the compile time.
  let rows = select(0u, min(R, P.M - row0), tile < rowTiles * colTiles * P.batch);
  for (var i = 0u; i < rows; i++) {
    for (var j = 0u; j < C; j++) {
      for (var t = 0u; t < 4u; t++) {
        let row = row0 + i;
        let col = col0 + j * 32u + t;
        if (col < P.N) {
          var v = acc[i][j][t];
          if (BIAS == 1u) { v += bias_at(col); }
          if (BIAS == 2u) { v += bias_at(row); }
          out[(batch * P.M + row) * P.N + col] = v;
        }
      }
    }
  }
}`,
};
