import type { Kernel } from "../kernel.ts";
import { matmulParams } from "./params.ts";

/**
 * Subgroups of eight lanes over operands that are both contiguous along k, as in `x · weightᵀ`: K and every other offset and stride are
 * multiples of four.
 */
export const matmulLanesNt: Kernel = {
  name: "matmulLanesNt",
  subgroups: true,
  inputs: [
    { name: "a", width: 4 },
    { name: "b", width: 4 },
    { name: "bias", width: 1 },
  ],
  outWidth: 1,
  params: matmulParams,
  body: /* wgsl */ `
// One subgroup of 8 lanes owns R rows x 8*C columns. Lane l loads 4 consecutive k of each row, which are then
// broadcast; each lane walks the rows of b that are its own columns.
@compute @workgroup_size(8)
fn main(@builtin(workgroup_id) group: vec3u, @builtin(num_workgroups) grid: vec3u, @builtin(local_invocation_index) lane: u32) {
  let K4 = P.K / 4u;
  let rowTiles = (P.M + R - 1u) / R;
  let colTiles = (P.N + 8u * C - 1u) / (8u * C);
  let tile = group.y * grid.x + group.x;
  let batch = tile / (rowTiles * colTiles);
  let row0 = tile / colTiles % rowTiles * R;
  let col0 = tile % colTiles * 8u * C + lane;
  let aRow = P.aRow / 4u;
  let bCol = P.bCol / 4u;
  let a0 = (P.aOffset + batch / P.batchInner * P.aOuter + batch % P.batchInner * P.aInner) / 4u + row0 * aRow;
  let b0 = (P.bOffset + batch / P.batchInner * P.bOuter + batch % P.batchInner * P.bInner) / 4u + col0 * bCol;

  var acc: array<array<f32, C>, R>;
  for (var k0 = 0u; k0 < K4; k0 += 8u) {
    var x: array<vec4f, R>;
    for (var i = 0u; i < R; i++) { x[i] = a_at4(a0 + i * aRow + k0 + lane); }
    let steps = min(8u, K4 - k0);
    for (var u = 0u; u < steps; u++) {
      var y: array<vec4f, C>;
      for (var j = 0u; j < C; j++) { y[j] = b_at4(b0 + j * 8u * bCol + k0 + u); }
      for (var i = 0u; i < R; i++) {
        let s = subgroupShuffle(x[i], u);
        for (var j = 0u; j < C; j++) {
          acc[i][j] = fma(s.w, y[j].w, fma(s.z, y[j].z, fma(s.y, y[j].y, fma(s.x, y[j].x, acc[i][j]))));
        }
      }
    }
  }

  let rows = select(0u, min(R, P.M - row0), tile < rowTiles * colTiles * P.batch);
  for (var i = 0u; i < rows; i++) {
    for (var j = 0u; j < C; j++) {
      let row = row0 + i;
      let col = col0 + j * 8u;
      if (col < P.N) {
        var v = acc[i][j];
        if (BIAS == 1u) { v += bias_at(col); }
        if (BIAS == 2u) { v += bias_at(row); }
        out[(batch * P.M + row) * P.N + col] = v;
      }
    }
  }
}`,
};
