import type { Kernel } from "../kernel.ts";
import { convParams } from "./params.ts";

/**
 * 64 input channels × 64 pixels a workgroup, staged in workgroup memory; default limits and nothing else. Constants: TAPS_H = ⌈KH / strideY⌉
 * and TAPS_W, most taps that meet in one pixel.
 */
export const conv2dInputGradTiled: Kernel = {
  name: "conv2dInputGradTiled",
  inputs: [
    { name: "weight", width: 1 },
    { name: "g", width: 1 },
  ],
  outWidth: 1,
  params: convParams,
  body: /* wgsl */ `
const TILE = 64u;
const DEPTH = 16u;
const PITCH = 65u;
const TAPS = TAPS_H * TAPS_W;
var<workgroup> wTile: array<f32, DEPTH * PITCH>;
var<workgroup> gTile: array<f32, DEPTH * PITCH>;

// Pixels whose coordinates leave the same remainders by the strides met the same taps: each such class is an
// implicit matmul over k = (output channel, tap row, tap column).
@compute @workgroup_size(256)
fn main(@builtin(workgroup_id) group: vec3u, @builtin(num_workgroups) grid: vec3u, @builtin(local_invocation_index) thread: u32) {
  let across = (P.W + P.strideX - 1u) / P.strideX;
  let pixels = (P.H + P.strideY - 1u) / P.strideY * across;
  let classes = P.strideY * P.strideX;
  let iTiles = (P.I + TILE - 1u) / TILE;
  let pixelTiles = (pixels + TILE - 1u) / TILE;
  let tile = group.y * grid.x + group.x;
  let batch = tile / (iTiles * pixelTiles * classes);
  let i0 = tile % iTiles * TILE;
  let pixel0 = tile / iTiles % pixelTiles * TILE;
  let restY = tile / (iTiles * pixelTiles) % classes / P.strideX;
  let restX = tile / (iTiles * pixelTiles) % classes % P.strideX;
  let firstY = (restY + P.padTop) % P.strideY;
  let firstX = (restX + P.padLeft) % P.strideX;
  let K = P.O * TAPS;
  let image = batch * P.O * P.OH * P.OW;

  // A thread always loads the same pixel of the tile (neighbouring threads, neighbouring pixels).
  let load = pixel0 + thread % TILE;
  let y0 = load / across + (restY + P.padTop - firstY) / P.strideY;
  let x0 = load % across + (restX + P.padLeft - firstX) / P.strideX;
  let ty = thread / 16u;
  let tx = thread % 16u;

  var acc: array<vec4f, 4>;
  for (var k0 = 0u; k0 < K; k0 += DEPTH) {
    for (var q = 0u; q < 4u; q++) {
      let e = q * 256u + thread;
      let wk = k0 + e / TILE;
      let wi = i0 + e % TILE;
      let ky = firstY + wk % TAPS / TAPS_W * P.strideY;
      let kx = firstX + wk % TAPS_W * P.strideX;
      var w = 0.0;
      if (wi < P.I && wk < K && ky < P.KH && kx < P.KW) { w = weight_at(((wk / TAPS * P.I + wi) * P.KH + ky) * P.KW + kx); }
      wTile[e / TILE * PITCH + e % TILE] = w;

      // As unsigned, a negative coordinate is larger than any size.
      let y = y0 - wk % TAPS / TAPS_W;
      let x = x0 - wk % TAPS_W;
      var v = 0.0;
      if (load < pixels && wk < K && y < P.OH && x < P.OW) { v = g_at(image + (wk / TAPS * P.OH + y) * P.OW + x); }
      gTile[e / TILE * PITCH + e % TILE] = v;
    }
    workgroupBarrier();
    for (var k = 0u; k < DEPTH; k++) {
      let at = k * PITCH + tx;
      let y = vec4f(gTile[at], gTile[at + 16u], gTile[at + 32u], gTile[at + 48u]);
      for (var i = 0u; i < 4u; i++) { acc[i] = fma(vec4f(wTile[k * PITCH + ty * 4u + i]), y, acc[i]); }
    }
    workgroupBarrier();
  }

  if (batch >= P.batch) { return; }
  for (var i = 0u; i < 4u; i++) {
    for (var j = 0u; j < 4u; j++) {
      let c = i0 + ty * 4u + i;
      let pixel = pixel0 + tx + 16u * j;
      let y = pixel / across * P.strideY + restY;
      let x = pixel % across * P.strideX + restX;
      if (c < P.I && y < P.H && x < P.W) { out[((batch * P.I + c) * P.H + y) * P.W + x] = acc[i][j]; }
    }
  }
}`,
};
