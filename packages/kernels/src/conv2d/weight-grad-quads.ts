import type { Kernel } from "../kernel.ts";
import { splitParams } from "./params.ts";

/**
 * Subgroups of eight lanes; stride 1, W = OW a multiple of four, KW 1 without padding or 3 with one column of it. Constants: R output channels
 * and 8·C columns (input channel, tap row) a group, TAPS = KW.
 */
export const conv2dWeightGradQuads: Kernel = {
  name: "conv2dWeightGradQuads",
  subgroups: true,
  inputs: [
    { name: "g", width: 4 },
    { name: "x", width: 4 },
  ],
  outWidth: 1,
  params: splitParams,
  body: /* wgsl */ `
// A matmul over pixels, four along x at a time: rows = output channels, columns = (input channel, tap row). A lane walks
// the image rows of its own columns and carries a quad and the pixels on either side of it, which is all that three
// taps need. Each lane loads one of eight quads of g, which are then broadcast. Each split sums some rows of the images.
@compute @workgroup_size(8)
fn main(@builtin(workgroup_id) group: vec3u, @builtin(num_workgroups) grid: vec3u, @builtin(local_invocation_index) lane: u32) {
  let W4 = P.W / 4u;
  let N = P.I * P.KH;
  let rowTiles = (P.O + R - 1u) / R;
  let colTiles = (N + 8u * C - 1u) / (8u * C);
  let tile = group.y * grid.x + group.x;
  let split = tile / (rowTiles * colTiles);
  let o0 = tile / colTiles % rowTiles * R;
  let col0 = tile % colTiles * 8u * C + lane;

  var plane: array<u32, C>;
  var dy: array<i32, C>;
  for (var j = 0u; j < C; j++) {
    let n = min(col0 + j * 8u, N - 1u);
    plane[j] = n / P.KH * P.H * W4;
    dy[j] = i32(n % P.KH) - i32(P.padTop);
  }

  var acc: array<array<vec3f, C>, R>;
  let rowEnd = min((split + 1u) * P.rows, P.batch * P.OH);
  var row = split * P.rows;
  while (row < rowEnd) {
    // The rows of this split that lie in one image.
    let batch = row / P.OH;
    let first = row % P.OH;
    let last = min(first + rowEnd - row, P.OH);
    row += last - first;
    let image = batch * P.I * P.H * W4;
    let g0 = (batch * P.O + o0) * P.OH * W4;
    var y = first;
    var quad = 0u;
    var before = array<f32, C>();
    var now = array<vec4f, C>();
    for (var q0 = first * W4; q0 < last * W4; q0 += 8u) {
      var a: array<vec4f, R>;
      for (var i = 0u; i < R; i++) { a[i] = g_at4(g0 + i * P.OH * W4 + q0 + lane); }
      let steps = min(8u, last * W4 - q0);
      for (var u = 0u; u < steps; u++) {
        var after = array<vec4f, C>();
        for (var j = 0u; j < C; j++) {
          let iy = i32(y) + dy[j];
          let inside = iy >= 0 && iy < i32(P.H);
          let at = image + plane[j] + u32(clamp(iy, 0, i32(P.H) - 1)) * W4 + quad;
          if (TAPS == 1u || quad == 0u) {
            before[j] = 0.0;
            now[j] = select(vec4f(), x_at4(at), inside);
          }
          if (TAPS == 3u && quad + 1u < W4) { after[j] = select(vec4f(), x_at4(at + 1u), inside); }
        }
        for (var i = 0u; i < R; i++) {
          let t = subgroupShuffle(a[i], u);
          for (var j = 0u; j < C; j++) {
            let v = now[j];
            var s = acc[i][j];
            s.y = fma(t.w, v.w, fma(t.z, v.z, fma(t.y, v.y, fma(t.x, v.x, s.y))));
            if (TAPS == 3u) {
              s.x = fma(t.w, v.z, fma(t.z, v.y, fma(t.y, v.x, fma(t.x, before[j], s.x))));
              s.z = fma(t.w, after[j].x, fma(t.z, v.w, fma(t.y, v.z, fma(t.x, v.y, s.z))));
            }
            acc[i][j] = s;
          }
        }
        for (var j = 0u; j < C; j++) {
          before[j] = now[j].w;
          now[j] = after[j];
        }
        let wrap = quad + 1u == W4;
        quad = select(quad + 1u, 0u, wrap);
        y += u32(wrap);
      }
    }
  }

  let channels = select(0u, min(R, P.O - o0), split < P.splits);
  for (var i = 0u; i < channels; i++) {
    for (var j = 0u; j < C; j++) {
      let n = col0 + j * 8u;
      if (n < N) {
        let at = ((split * P.O + o0 + i) * N + n) * TAPS;
        if (TAPS == 1u) {
          out[at] = acc[i][j].y;
        } else {
          out[at] = acc[i][j].x;
          out[at + 1u] = acc[i][j].y;
          out[at + 2u] = acc[i][j].z;
        }
      }
    }
  }
}`,
};
