import type { Kernel } from "../kernel.ts";
import { convParams } from "./params.ts";

/** Subgroups of eight lanes; every window, stride and padding. Constants: R input channels and 32·C pixels a group. */
export const conv2dInputGradLanes: Kernel = {
  name: "conv2dInputGradLanes",
  subgroups: true,
  inputs: [
    { name: "weight", width: 1 },
    { name: "g", width: 1 },
  ],
  outWidth: 1,
  params: convParams,
  body: /* wgsl */ `
// Pixels whose coordinates leave the same remainders by the strides met the same taps, every strideY-th by every
// strideX-th: for each such class this is an implicit matmul, rows = input channels, columns = its pixels,
// k = (output channel, tap row, tap column). With stride 1 there is one class, and all taps are in it.
@compute @workgroup_size(8)
fn main(@builtin(workgroup_id) group: vec3u, @builtin(num_workgroups) grid: vec3u, @builtin(local_invocation_index) lane: u32) {
  let across = (P.W + P.strideX - 1u) / P.strideX;
  let pixels = (P.H + P.strideY - 1u) / P.strideY * across;
  let classes = P.strideY * P.strideX;
  let iTiles = (P.I + R - 1u) / R;
  let pixelTiles = (pixels + 32u * C - 1u) / (32u * C);
  let tile = group.y * grid.x + group.x;
  let batch = tile / (iTiles * pixelTiles * classes);
  let i0 = tile % iTiles * R;
  let pixel0 = tile / iTiles % pixelTiles * 32u * C + lane;
  let restY = tile / (iTiles * pixelTiles) % classes / P.strideX;
  let restX = tile / (iTiles * pixelTiles) % classes % P.strideX;
  let firstY = (restY + P.padTop) % P.strideY;
  let firstX = (restX + P.padLeft) % P.strideX;
  let tapsY = (P.KH + P.strideY - 1u - firstY) / P.strideY;
  let tapsX = (P.KW + P.strideX - 1u - firstX) / P.strideX;
  let taps = tapsY * tapsX;
  let K = P.O * taps;

  // Where the first tap of a pixel lies in g. Lane l owns pixels pixel0 + 8*t of each group of 32.
  var y0: array<vec4i, C>;
  var x0: array<vec4i, C>;
  for (var j = 0u; j < C; j++) {
    let p = vec4u(pixel0 + 32u * j) + vec4u(0u, 8u, 16u, 24u);
    y0[j] = vec4i(p / across) + i32((restY + P.padTop - firstY) / P.strideY);
    x0[j] = vec4i(p % across) + i32((restX + P.padLeft - firstX) / P.strideX);
  }

  var acc: array<array<vec4f, C>, R>;
  var plane = batch * P.O * P.OH * P.OW;
  var ky = 0u;
  var kx = 0u;
  for (var k0 = 0u; k0 < K; k0 += 8u) {
    let k = k0 + lane;
    let tap = (firstY + k % taps / tapsX * P.strideY) * P.KW + firstX + k % tapsX * P.strideX;
    let at = (k / taps * P.I + i0) * P.KH * P.KW + tap;
    var w: array<f32, R>;
    for (var i = 0u; i < R; i++) { w[i] = weight_at(at + i * P.KH * P.KW); }
    let steps = min(8u, K - k0);
    for (var u = 0u; u < steps; u++) {
      var v: array<vec4f, C>;
      for (var j = 0u; j < C; j++) {
        let y = y0[j] - i32(ky);
        let x = x0[j] - i32(kx);
        // As unsigned, a negative coordinate is larger than any size: one comparison tests both sides.
        let inside = (vec4u(y) < vec4u(P.OH)) & (vec4u(x) < vec4u(P.OW));
        let place = select(vec4u(), plane + vec4u(y) * P.OW + vec4u(x), inside);
        v[j] = select(vec4f(), vec4f(g_at(place.x), g_at(place.y), g_at(place.z), g_at(place.w)), inside);
      }
      for (var i = 0u; i < R; i++) {
        let s = vec4f(subgroupShuffle(w[i], u));
        for (var j = 0u; j < C; j++) { acc[i][j] = fma(s, v[j], acc[i][j]); }
      }
      let wrapX = kx + 1u == tapsX;
      let wrapY = wrapX && ky + 1u == tapsY;
      kx = select(kx + 1u, 0u, wrapX);
      ky = select(ky + u32(wrapX), 0u, wrapY);
      plane += select(0u, P.OH * P.OW, wrapY);
    }
  }

  let channels = select(0u, min(R, P.I - i0), batch < P.batch);
  for (var i = 0u; i < channels; i++) {
    for (var j = 0u; j < C; j++) {
      for (var t = 0u; t < 4u; t++) {
        let pixel = pixel0 + 32u * j + 8u * t;
        let y = pixel / across * P.strideY + restY;
        let x = pixel % across * P.strideX + restX;
        if (y < P.H && x < P.W) { out[((batch * P.I + i0 + i) * P.H + y) * P.W + x] = acc[i][j][t]; }
      }
    }
  }
}`,
};
