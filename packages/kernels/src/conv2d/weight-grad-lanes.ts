import type { Kernel } from "../kernel.ts";
import { splitParams } from "./params.ts";

/** Subgroups of eight lanes; every window, stride and padding. Constants: R output channels per group, and 8·C weights of each. */
export const conv2dWeightGradLanes: Kernel = {
  name: "conv2dWeightGradLanes",
  subgroups: true,
  inputs: [
    { name: "g", width: 1 },
    { name: "x", width: 1 },
  ],
  outWidth: 1,
  params: splitParams,
  body: /* wgsl */ `
// A matmul over pixels: rows = output channels, columns = (input channel, ky, kx). Lane l loads pixel k + l of each row of
// g, which are then broadcast; each lane gathers the pixels of its own columns. Each split sums some rows of the images.
@compute @workgroup_size(8)
fn main(@builtin(workgroup_id) group: vec3u, @builtin(num_workgroups) grid: vec3u, @builtin(local_invocation_index) lane: u32) {
  let N = P.I * P.KH * P.KW;
  let rowTiles = (P.O + R - 1u) / R;
  let colTiles = (N + 8u * C - 1u) / (8u * C);
  let tile = group.y * grid.x + group.x;
  let split = tile / (rowTiles * colTiles);
  let o0 = tile / colTiles % rowTiles * R;
  let col0 = tile % colTiles * 8u * C + lane;

  var plane: array<u32, C>;
  var dy: array<u32, C>;
  var dx: array<u32, C>;
  for (var j = 0u; j < C; j++) {
    let n = min(col0 + j * 8u, N - 1u);
    plane[j] = n / (P.KH * P.KW) * P.H * P.W;
    dy[j] = n / P.KW % P.KH - P.padTop;
    dx[j] = n % P.KW - P.padLeft;
  }

  var acc: array<array<f32, C>, R>;
  let rowEnd = min((split + 1u) * P.rows, P.batch * P.OH);
  var row = split * P.rows;
  while (row < rowEnd) {
    // The rows of this split that lie in one image.
    let batch = row / P.OH;
    let first = row % P.OH;
    let last = min(first + rowEnd - row, P.OH);
    row += last - first;
    let image = batch * P.I * P.H * P.W;
    let g0 = (batch * P.O + o0) * P.OH * P.OW;
    var y = first * P.strideY;
    var x = 0u;
    for (var k0 = first * P.OW; k0 < last * P.OW; k0 += 8u) {
      var a: array<f32, R>;
      for (var i = 0u; i < R; i++) { a[i] = g_at(g0 + i * P.OH * P.OW + k0 + lane); }
      let steps = min(8u, last * P.OW - k0);
      for (var u = 0u; u < steps; u++) {
        var v: array<f32, C>;
        for (var j = 0u; j < C; j++) {
          // As unsigned, a negative coordinate is larger than any size: one comparison tests both sides.
          let iy = y + dy[j];
          let ix = x + dx[j];
          let inside = iy < P.H && ix < P.W;
          v[j] = select(0.0, x_at(select(0u, image + plane[j] + iy * P.W + ix, inside)), inside);
        }
        for (var i = 0u; i < R; i++) {
          let t = subgroupShuffle(a[i], u);
          for (var j = 0u; j < C; j++) { acc[i][j] = fma(t, v[j], acc[i][j]); }
        }
        x += P.strideX;
        let wrap = x >= P.OW * P.strideX;
        x = select(x, 0u, wrap);
        y += select(0u, P.strideY, wrap);
      }
    }
  }

  let channels = select(0u, min(R, P.O - o0), split < P.splits);
  for (var i = 0u; i < channels; i++) {
    for (var j = 0u; j < C; j++) {
      let n = col0 + j * 8u;
      if (n < N) { out[(split * P.O + o0 + i) * N + n] = acc[i][j]; }
    }
  }
}`,
};
