import type { Kernel } from "../kernel.ts";
import { matmulParams } from "./params.ts";

/** Subgroups of eight lanes over a `b` whose rows are contiguous: N and every offset and stride of b are multiples of four. */
export const matmulLanesNn: Kernel = {
  name: "matmulLanesNn",
  subgroups: true,
  inputs: [
    { name: "a", width: 1 },
    { name: "b", width: 4 },
    { name: "bias", width: 1 },
  ],
  outWidth: 4,
  params: matmulParams,
  body: /* wgsl */ `
// One subgroup of 8 lanes owns R rows x 32*C columns; lane l loads a[row, k + l], each k is broadcast from its lane.
@compute @workgroup_size(8)
fn main(@builtin(workgroup_id) group: vec3u, @builtin(num_workgroups) grid: vec3u, @builtin(local_invocation_index) lane: u32) {
  let rowTiles = (P.M + R - 1u) / R;
  let colTiles = (P.N + 32u * C - 1u) / (32u * C);
  let tile = group.y * grid.x + group.x;
  let batch = tile / (rowTiles * colTiles);
  let row0 = tile / colTiles % rowTiles * R;
  let quad0 = tile % colTiles * 8u * C + lane;
  let a0 = P.aOffset + batch / P.batchInner * P.aOuter + batch % P.batchInner * P.aInner + row0 * P.aRow;
  let b0 = (P.bOffset + batch / P.batchInner * P.bOuter + batch % P.batchInner * P.bInner) / 4u + quad0;
  let bRow = P.bRow / 4u;

  var acc: array<array<vec4f, C>, R>;
  var bAt = b0;
  for (var k0 = 0u; k0 < P.K; k0 += 8u) {
    var x: array<f32, R>;
    for (var i = 0u; i < R; i++) { x[i] = a_at(a0 + i * P.aRow + (k0 + lane) * P.aCol); }
    let steps = min(8u, P.K - k0);
    for (var u = 0u; u < steps; u++) {
      var y: array<vec4f, C>;
      for (var j = 0u; j < C; j++) { y[j] = b_at4(bAt + j * 8u); }
      bAt += bRow;
      for (var i = 0u; i < R; i++) {
        let s = vec4f(subgroupShuffle(x[i], u));
        for (var j = 0u; j < C; j++) { acc[i][j] = fma(s, y[j], acc[i][j]); }
      }
    }
  }

  let rows = select(0u, min(R, P.M - row0), tile < rowTiles * colTiles * P.batch);
  for (var i = 0u; i < rows; i++) {
    for (var j = 0u; j < C; j++) {
      let row = row0 + i;
      let quad = quad0 + j * 8u;
      if (quad < P.N / 4u) {
        var v = acc[i][j];
        if (BIAS == 1u) { v += vec4f(bias_at(quad * 4u), bias_at(quad * 4u + 1u), bias_at(quad * 4u + 2u), bias_at(quad * 4u + 3u)); }
        if (BIAS == 2u) { v += bias_at(row); }
        out[(batch * P.M + row) * (P.N / 4u) + quad] = v;
      }
    }
  }
}`,
};
