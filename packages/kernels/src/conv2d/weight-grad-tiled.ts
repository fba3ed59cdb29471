import type { Kernel } from "../kernel.ts";
import { splitParams } from "./params.ts";

/**
 * 64 output channels × 64 weights of each per workgroup, staged in workgroup memory; default limits only. Constants: KERNEL_H, KERNEL_W.
 */
export const conv2dWeightGradTiled: Kernel = {
  name: "conv2dWeightGradTiled",
  inputs: [
    { name: "g", width: 1 },
    { name: "x", width: 1 },
  ],
  outWidth: 1,
  params: splitParams,
  body: /* wgsl */ `
const TILE = 64u;
const DEPTH = 16u;
const PITCH = 65u; // one word of padding: a load writes a column of the tile
var<workgroup> gTile: array<f32, DEPTH * PITCH>;
var<workgroup> xTile: array<f32, DEPTH * PITCH>;

// A matmul over pixels: rows = output channels, columns = (input channel, ky, kx). Each split sums some rows of the images.
@compute @workgroup_size(256)
fn main(@builtin(workgroup_id) group: vec3u, @builtin(num_workgroups) grid: vec3u, @builtin(local_invocation_index) thread: u32) {
  let N = P.I * KERNEL_H * KERNEL_W;
  let rowTiles = (P.O + TILE - 1u) / TILE;
  let colTiles = (N + TILE - 1u) / TILE;
  let tile = group.y * grid.x + group.x;
  let split = tile / (rowTiles * colTiles);
  let o0 = tile / colTiles % rowTiles * TILE;
  let col0 = tile % colTiles * TILE;
  let plane = P.OH * P.OW;
  let end = min((split + 1u) * P.rows, P.batch * P.OH) * P.OW;
  let ty = thread / 16u;
  let tx = thread % 16u;

  var acc: array<vec4f, 4>;
  for (var k0 = split * P.rows * P.OW; k0 < end; k0 += DEPTH) {
    // A thread always loads the same pixel of a step (neighbouring threads, neighbouring pixels).
    let k = k0 + tx;
    let batch = k / plane;
    let y = k % plane / P.OW * P.strideY - P.padTop;
    let x = k % P.OW * P.strideX - P.padLeft;
    for (var q = 0u; q < 4u; q++) {
      let e = q * 16u + ty;
      var gv = 0.0;
      if (o0 + e < P.O && k < end) { gv = g_at((batch * P.O + o0 + e) * plane + k % plane); }
      gTile[tx * PITCH + e] = gv;

      let n = col0 + e;
      // As unsigned, a negative coordinate is larger than any size.
      let iy = y + n / KERNEL_W % KERNEL_H;
      let ix = x + n % KERNEL_W;
      var xv = 0.0;
      if (n < N && k < end && iy < P.H && ix < P.W) { xv = x_at(((batch * P.I + n / (KERNEL_H * KERNEL_W)) * P.H + iy) * P.W + ix); }
      xTile[tx * PITCH + e] = xv;
    }
    workgroupBarrier();
    for (var d = 0u; d < DEPTH; d++) {
      let at = d * PITCH + tx;
      let v = vec4f(xTile[at], xTile[at + 16u], xTile[at + 32u], xTile[at + 48u]);
      for (var i = 0u; i < 4u; i++) { acc[i] = fma(vec4f(gTile[d * PITCH + ty * 4u + i]), v, acc[i]); }
    }
    workgroupBarrier();
  }

  if (split >= P.splits) { return; }
  for (var i = 0u; i < 4u; i++) {
    for (var j = 0u; j < 4u; j++) {
      let o = o0 + ty * 4u + i;
      let n = col0 + tx + 16u * j;
      if (o < P.O && n < N) { out[(split * P.O + o) * N + n] = acc[i][j]; }
    }
  }
}`,
};
