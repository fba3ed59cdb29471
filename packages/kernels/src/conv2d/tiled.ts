import type { Kernel } from "../kernel.ts";
import { convParams } from "./params.ts";

/** 64 channels × 64 pixels a workgroup, staged in workgroup memory. Needs default limits and nothing else. KERNEL_H and KERNEL_W are constants so that dividing by them is cheap. */
export const conv2dTiled: Kernel = {
  name: "conv2dTiled",
  inputs: [
    { name: "weight", width: 1 },
    { name: "x", width: 1 },
    { name: "bias", width: 1 },
  ],
  outWidth: 1,
  params: convParams,
  body: /* wgsl */ `
const TILE = 64u;
const DEPTH = 16u;
const PITCH = 65u;
const TAPS = KERNEL_H * KERNEL_W;
var<workgroup> wTile: array<f32, DEPTH * PITCH>;
var<workgroup> xTile: array<f32, DEPTH * PITCH>;

@compute @workgroup_size(256)
fn main(@builtin(workgroup_id) group: vec3u, @builtin(num_workgroups) grid: vec3u, @builtin(local_invocation_index) thread: u32) {
  let pixels = P.OH * P.OW;
  let oTiles = (P.O + TILE - 1u) / TILE;
  let pixelTiles = (pixels + TILE - 1u) / TILE;
  let tile = group.y * grid.x + group.x;
  let batch = tile / (oTiles * pixelTiles);
  let o0 = tile % oTiles * TILE;
  let pixel0 = tile / oTiles % pixelTiles * TILE;
  let K = P.I * TAPS;
  let image = batch * P.I * P.H * P.W;

  // A thread always loads the same pixel of the tile (neighbouring threads, neighbouring pixels).
  let load = pixel0 + thread % TILE;
  let y0 = i32(load / P.OW * P.strideY) - i32(P.padTop);
  let x0 = i32(load % P.OW * P.strideX) - i32(P.padLeft);
  let ty = thread / 16u;
  let tx = thread % 16u;

  var acc: array<vec4f, 4>;
  for (var k0 = 0u; k0 < K; k0 += DEPTH) {
    for (var q = 0u; q < 4u; q++) {
      let e = q * 256u + thread;
      let wk = e % DEPTH;
      let wo = e / DEPTH;
      var w = 0.0;
      if (o0 + wo < P.O && k0 + wk < K) { w = weight_at((o0 + wo) * K + k0 + wk); }
      wTile[wk * PITCH + wo] = w;

      let xk = e / TILE;
      let k = k0 + xk;
      let y = y0 + i32(k % TAPS / KERNEL_W * P.dilationY);
      let x = x0 + i32(k % KERNEL_W * P.dilationX);
      var v = 0.0;
      // As unsigned, a negative coordinate is larger than any size.
      if (load < pixels && k < K && u32(y) < P.H && u32(x) < P.W) { v = x_at(image + (k / TAPS * P.H + u32(y)) * P.W + u32(x)); }
      xTile[xk * PITCH + thread % TILE] = v;
    }
    workgroupBarrier();
    for (var k = 0u; k < DEPTH; k++) {
      let at = k * PITCH + tx;
      let y = vec4f(xTile[at], xTile[at + 16u], xTile[at + 32u], xTile[at + 48u]);
      for (var i = 0u; i < 4u; i++) { acc[i] = fma(vec4f(wTile[k * PITCH + ty * 4u + i]), y, acc[i]); }
    }
    workgroupBarrier();
  }

  if (batch >= P.batch) { return; }
  for (var i = 0u; i < 4u; i++) {
    for (var j = 0u; j < 4u; j++) {
      let o = o0 + ty * 4u + i;
      let pixel = pixel0 + tx + 16u * j;
      if (o < P.O && pixel < pixels) {
        var v = acc[i][j];
        if (BIAS == 1u) { v += bias_at(o); }
        out[(batch * P.O + o) * pixels + pixel] = v;
      }
    }
  }
}`,
};
