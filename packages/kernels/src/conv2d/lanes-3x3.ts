import type { Kernel } from "../kernel.ts";

/**
 * Subgroups of eight lanes; 3×3, stride 1, one column of padding on each side, W a multiple of four. Constants: R channels and 8·C quads a
 * group, BIAS 0 or 1, FLIP 1 reads a weight `[I, O, 3, 3]` rotated by 180°, which makes it a transposed convolution.
 */
export const conv2dLanes3x3: Kernel = {
  name: "conv2dLanes3x3",
  subgroups: true,
  inputs: [
    { name: "weight", width: 1 },
    { name: "x", width: 4 },
    { name: "bias", width: 1 },
  ],
  outWidth: 4,
  params: ["batch", "I", "O", "H", "W", "OH", "padTop"],
  body: /* wgsl */ `
// Implicit matmul: rows = output channels, columns = pixels of all images (small ones share a group), k = (channel, ky, kx) in the order weights are stored.
// One subgroup owns R channels x 8*C quads (a quad = 4 pixels along x). A step is one input row (channel, ky): one
// vec4 load per quad gives all three kx taps, because a shifted quad needs only one pixel of the neighbour lane.
// Lane l of a chunk of 8 steps holds the 3 weights of step l for each channel; they are broadcast step by step.
@compute @workgroup_size(8)
fn main(@builtin(workgroup_id) group: vec3u, @builtin(num_workgroups) grid: vec3u, @builtin(local_invocation_index) lane: u32) {
  let W4 = P.W / 4u;
  let quads = P.OH * W4;
  let oTiles = (P.O + R - 1u) / R;
  let tile = group.y * grid.x + group.x;
  let o0 = tile % oTiles * R;
  let quad0 = tile / oTiles * 8u * C + lane;
  let rows = P.I * 3u;
  let edge = lane == 0u || lane == 7u;

  var batch: array<u32, C>;
  var x4: array<u32, C>;
  var y0: array<i32, C>;
  for (var j = 0u; j < C; j++) {
    let quad = quad0 + j * 8u;
    // What is beyond the last image is computed there and not stored.
    batch[j] = min(quad / quads, P.batch - 1u);
    x4[j] = quad % quads % W4;
    y0[j] = i32(quad % quads / W4) - i32(P.padTop);
  }

  var acc: array<array<vec4f, C>, R>;
  var c = 0u;
  var ky = 0u;
  for (var r0 = 0u; r0 < rows; r0 += 8u) {
    var taps: array<vec3f, R>;
    for (var i = 0u; i < R; i++) {
      let r = r0 + lane;
      let at = select((o0 + i) * rows + r, (r / 3u * P.O + o0 + i) * 3u + 2u - r % 3u, FLIP == 1u) * 3u;
      taps[i] = vec3f(weight_at(at + select(0u, 2u, FLIP == 1u)), weight_at(at + 1u), weight_at(at + select(2u, 0u, FLIP == 1u)));
    }
    let steps = min(8u, rows - r0);
    for (var u = 0u; u < steps; u++) {
      var v: array<array<vec4f, 3>, C>;
      for (var j = 0u; j < C; j++) {
        let iy = y0[j] + i32(ky);
        let inside = iy >= 0 && iy < i32(P.H);
        let at = ((batch[j] * P.I + c) * P.H + u32(clamp(iy, 0, i32(P.H) - 1))) * W4 + x4[j];
        let q = select(vec4f(), x_at4(at), inside);
        // The first and last lane have no neighbour in the subgroup and load it.
        var before = 0.0;
        var after = 0.0;
        if (edge && inside) {
          let n = x_at4(select(at - 1u, at + 1u, lane == 7u));
          before = n.w;
          after = n.x;
        }
        let left = select(subgroupShuffleUp(q.w, 1u), before, lane == 0u);
        let right = select(subgroupShuffleDown(q.x, 1u), after, lane == 7u);
        v[j][0] = vec4f(select(0.0, left, x4[j] > 0u), q.xyz);
        v[j][1] = q;
        v[j][2] = vec4f(q.yzw, select(0.0, right, x4[j] + 1u < W4));
      }
      for (var i = 0u; i < R; i++) {
        let t = subgroupShuffle(taps[i], u);
        for (var j = 0u; j < C; j++) {
          acc[i][j] = fma(vec4f(t.z), v[j][2], fma(vec4f(t.y), v[j][1], fma(vec4f(t.x), v[j][0], acc[i][j])));
        }
      }
      let wrap = ky == 2u;
      c += u32(wrap);
      ky = select(ky + 1u, 0u, wrap);
    }
  }

  let channels = min(R, P.O - o0);
  for (var i = 0u; i < channels; i++) {
    for (var j = 0u; j < C; j++) {
      let quad = quad0 + j * 8u;
      if (quad < quads * P.batch) {
        var s = acc[i][j];
        if (BIAS == 1u) { s += bias_at(o0 + i); }
        out[(batch[j] * P.O + o0 + i) * quads + quad % quads] = s;
      }
    }
  }
}`,
};
