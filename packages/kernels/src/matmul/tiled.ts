import type { Kernel } from "../kernel.ts";
import { matmulParams } from "./params.ts";

/**
 * 64×64 outputs per workgroup, 4×4 per thread, operands staged in workgroup memory. Needs default limits only. A_K_FAST, B_K_FAST: 1 if the
 * operand is contiguous along k.
 */
export const matmulTiled: Kernel = {
  name: "matmulTiled",
  inputs: [
    { name: "a", width: 1 },
    { name: "b", width: 1 },
    { name: "bias", width: 1 },
  ],
  outWidth: 1,
  params: matmulParams,
  body: /* wgsl */ `
const TILE = 64u;
const DEPTH = 16u;
const PITCH = 65u; // one word of padding: a k-fast load writes a column of the tile
var<workgroup> aTile: array<f32, DEPTH * PITCH>;
var<workgroup> bTile: array<f32, DEPTH * PITCH>;

@compute @workgroup_size(256)
fn main(@builtin(workgroup_id) group: vec3u, @builtin(num_workgroups) grid: vec3u, @builtin(local_invocation_index) thread: u32) {
  let rowTiles = (P.M + TILE - 1u) / TILE;
  let colTiles = (P.N + TILE - 1u) / TILE;
  let tile = group.y * grid.x + group.x;
  let batch = tile / (rowTiles * colTiles);
  let row0 = tile / colTiles % rowTiles * TILE;
  let col0 = tile % colTiles * TILE;
  let a0 = P.aOffset + batch / P.batchInner * P.aOuter + batch % P.batchInner * P.aInner;
  let b0 = P.bOffset + batch / P.batchInner * P.bOuter + batch % P.batchInner * P.bInner;
  // Outputs of a thread: rows ty*4 + i, columns tx + 16*j (so that a row of threads stores 16 neighbours).
  let ty = thread / 16u;
  let tx = thread % 16u;

  var acc: array<vec4f, 4>;
  for (var k0 = 0u; k0 < P.K; k0 += DEPTH) {
    for (var q = 0u; q < 4u; q++) {
      let e = q * 256u + thread;
      let ak = select(e / TILE, e % DEPTH, A_K_FAST == 1u);
      let ar = select(e % TILE, e / DEPTH, A_K_FAST == 1u);
      let bk = select(e / TILE, e % DEPTH, B_K_FAST == 1u);
      let bc = select(e % TILE, e / DEPTH, B_K_FAST == 1u);
      var av = 0.0;
      var bv = 0.0;
      if (row0 + ar < P.M && k0 + ak < P.K) { av = a_at(a0 + (row0 + ar) * P.aRow + (k0 + ak) * P.aCol); }
      if (col0 + bc < P.N && k0 + bk < P.K) { bv = b_at(b0 + (k0 + bk) * P.bRow + (col0 + bc) * P.bCol); }
      aTile[ak * PITCH + ar] = av;
      bTile[bk * PITCH + bc] = bv;
    }
    workgroupBarrier();
    for (var k = 0u; k < DEPTH; k++) {
      let at = k * PITCH + tx;
      let y = vec4f(bTile[at], bTile[at + 16u], bTile[at + 32u], bTile[at + 48u]);
      for (var i = 0u; i < 4u; i++) { acc[i] = fma(vec4f(aTile[k * PITCH + ty * 4u + i]), y, acc[i]); }
    }
    workgroupBarrier();
  }

  if (tile >= rowTiles * colTiles * P.batch) { return; }
  for (var i = 0u; i < 4u; i++) {
    for (var j = 0u; j < 4u; j++) {
      let row = row0 + ty * 4u + i;
      let col = col0 + tx + 16u * j;
      if (row < P.M && col < P.N) {
        var v = acc[i][j];
        if (BIAS == 1u) { v += bias_at(col); }
        if (BIAS == 2u) { v += bias_at(row); }
        out[(batch * P.M + row) * P.N + col] = v;
      }
    }
  }
}`,
};
