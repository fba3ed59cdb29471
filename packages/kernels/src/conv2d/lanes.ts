import type { Kernel } from "../kernel.ts";
import { convParams } from "./params.ts";

/** Subgroups of eight lanes; every window, stride and padding. Constants: R channels and 32·C pixels a group, BIAS 0 or 1. */
export const conv2dLanes: Kernel = {
  name: "conv2dLanes",
  subgroups: true,
  inputs: [
    { name: "weight", width: 1 },
    { name: "x", width: 1 },
    { name: "bias", width: 1 },
  ],
  outWidth: 1,
  params: convParams,
  body: /* wgsl */ `
// Implicit matmul: R output channels x 32*C pixels per subgroup, k = (channel, ky, kx) as stored. Lane l holds
// weight k + l of each channel; pixels are gathered one by one, so no alignment is needed.
@compute @workgroup_size(8)
fn main(@builtin(workgroup_id) group: vec3u, @builtin(num_workgroups) grid: vec3u, @builtin(local_invocation_index) lane: u32) {
  let pixels = P.OH * P.OW;
  let oTiles = (P.O + R - 1u) / R;
  let pixelTiles = (pixels + 32u * C - 1u) / (32u * C);
  let tile = group.y * grid.x + group.x;
  let batch = tile / (oTiles * pixelTiles);
  let o0 = tile % oTiles * R;
  let pixel0 = tile / oTiles % pixelTiles * 32u * C + lane;
  let K = P.I * P.KH * P.KW;

  // Lane l owns pixels pixel0 + 8*t of each group of 32.
  var y0: array<vec4i, C>;
  var x0: array<vec4i, C>;
  for (var j = 0u; j < C; j++) {
    let p = vec4u(pixel0 + 32u * j) + vec4u(0u, 8u, 16u, 24u);
    y0[j] = vec4i(p / P.OW * P.strideY) - i32(P.padTop);
    x0[j] = vec4i(p % P.OW * P.strideX) - i32(P.padLeft);
  }

  var acc: array<array<vec4f, C>, R>;
  var plane = batch * P.I * P.H * P.W;
  var ky = 0u;
  var kx = 0u;
  for (var k0 = 0u; k0 < K; k0 += 8u) {
    var w: array<f32, R>;
    for (var i = 0u; i < R; i++) { w[i] = weight_at((o0 + i) * K + k0 + lane); }
    let steps = min(8u, K - k0);
    for (var u = 0u; u < steps; u++) {
      var v: array<vec4f, C>;
      for (var j = 0u; j < C; j++) {
        let y = y0[j] + i32(ky * P.dilationY);
        let x = x0[j] + i32(kx * P.dilationX);
        // As unsigned, a negative coordinate is larger than any size: one comparison tests both sides.
        let inside = (vec4u(y) < vec4u(P.H)) & (vec4u(x) < vec4u(P.W));
        let at = select(vec4u(), plane + vec4u(y) * P.W + vec4u(x), inside);
        v[j] = select(vec4f(), vec4f(x_at(at.x), x_at(at.y), x_at(at.z), x_at(at.w)), inside);
      }
      for (var i = 0u; i < R; i++) {
        let s = vec4f(subgroupShuffle(w[i], u));
        for (var j = 0u; j < C; j++) { acc[i][j] = fma(s, v[j], acc[i][j]); }
      }
      let wrapX = kx + 1u == P.KW;
      let wrapY = wrapX && ky + 1u == P.KH;
      kx = select(kx + 1u, 0u, wrapX);
      ky = select(ky + u32(wrapX), 0u, wrapY);
      plane += select(0u, P.H * P.W, wrapY);
    }
  }

  let channels = select(0u, min(R, P.O - o0), batch < P.batch);
  for (var i = 0u; i < channels; i++) {
    for (var j = 0u; j < C; j++) {
      for (var t = 0u; t < 4u; t++) {
        let pixel = pixel0 + 32u * j + 8u * t;
        if (pixel < pixels) {
          var s = acc[i][j][t];
          if (BIAS == 1u) { s += bias_at(o0 + i); }
          out[(batch * P.O + o0 + i) * pixels + pixel] = s;
        }
      }
    }
  }
}`,
};
