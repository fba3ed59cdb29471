import type { Kernel } from "../kernel.ts";
import { gradInputs, gradParams } from "./grad-params.ts";

// 64 rows × 32 columns per step in workgroup memory; any width, needs default limits only. Constants: ACC columns of a result per thread,
// 16·ACC per group. A group owns rows and walks columns. Weights of a thread: rows ty + 16·i, columns tx + 16·j.

// Bounds known only at run time keep the loops rolled: a software adapter takes seconds to compile them unrolled.
const memory = `
const ROWS = 64u;
const STEP = 32u;
const DEPTH = 16u;
const SLAB = 8u;
const WIDTH = 16u * ACC;
const X_PITCH = ROWS + 1u;
const Y_PITCH = STEP + 1u;
const Y_START = DEPTH * X_PITCH;
var<workgroup> weights: array<f32, ROWS * Y_PITCH>;
var<workgroup> stage: array<f32, 1568>; // slabs of rows and columns for their products, later slabs of columns to be weighed`;

/** Where the group's tile lies. */
const start = (rows: "Lq" | "Lk"): string => `
  let rowTiles = (P.${rows} + ROWS - 1u) / ROWS;
  let slices = (P.D + WIDTH - 1u) / WIDTH;
  let tile = group.y * grid.x + group.x;
  let batch = tile / (slices * rowTiles * P.heads);
  let head = tile / (slices * rowTiles) % P.heads;
  let row0 = tile / slices % rowTiles * ROWS;
  let d0 = tile % slices * WIDTH;
  let q0 = batch * P.qBatch + head * P.qHead;
  let k0 = batch * P.kBatch + head * P.kHead;
  let v0 = batch * P.vBatch + head * P.vHead;
  let g0 = batch * P.gBatch + head * P.gHead;
  let m0 = batch * P.mBatch + head * P.mHead;
  let queries = P.batch * P.heads * P.Lq;
  let rows0 = (batch * P.heads + head) * P.Lq;
  let ty = thread / 16u;
  let tx = thread % 16u;`;

/** Products of the tile's rows of `x` with columns of `y`. */
const products = (into: string, [x, rows]: readonly [string, string], [y, columns]: readonly [string, string]): string => `
    for (var e0 = 0u; e0 < P.D; e0 += DEPTH) {
      let d = e0 + tx;
      for (var n = 0u; n < 4u; n++) {
        let row = row0 + n * 16u + ty;
        var value = 0.0;
        if (row < P.${rows} && d < P.D) { value = ${x}_at(${x}0 + row * P.${x}Token + d); }
        stage[tx * X_PITCH + n * 16u + ty] = value;
      }
      for (var n = 0u; n < 2u; n++) {
        let column = column0 + n * 16u + ty;
        var value = 0.0;
        if (column < P.${columns} && d < P.D) { value = ${y}_at(${y}0 + column * P.${y}Token + d); }
        stage[Y_START + tx * Y_PITCH + n * 16u + ty] = value;
      }
      workgroupBarrier();
      let depth = min(DEPTH, P.D - e0);
      for (var e = 0u; e < depth; e++) {
        let at = Y_START + e * Y_PITCH + tx;
        let y = vec2f(stage[at], stage[at + 16u]);
        for (var i = 0u; i < 4u; i++) { ${into}[i] = fma(vec2f(stage[e * X_PITCH + ty + 16u * i]), y, ${into}[i]); }
      }
      workgroupBarrier();
    }`;

/** Shares the thread's weights in workgroup memory, and adds the columns of `y`, weighted, to `acc`. */
const weigh = (acc: string, by: string, [y, columns]: readonly [string, string]): string => `
    for (var i = 0u; i < 4u; i++) {
      weights[(ty + 16u * i) * Y_PITCH + tx] = ${by}[i].x;
      weights[(ty + 16u * i) * Y_PITCH + tx + 16u] = ${by}[i].y;
    }
    for (var slab = 0u; slab < min(STEP, P.${columns} - column0); slab += SLAB) {
      for (var e = thread; e < SLAB * WIDTH; e += 256u) {
        let column = column0 + slab + e / WIDTH;
        let d = d0 + e % WIDTH;
        var value = 0.0;
        if (column < P.${columns} && d < P.D) { value = ${y}_at(${y}0 + column * P.${y}Token + d); }
        stage[e] = value;
      }
      workgroupBarrier();
      let present = min(SLAB, P.${columns} - column0 - slab);
      for (var c = 0u; c < present; c++) {
        var w: array<f32, 4>;
        for (var i = 0u; i < 4u; i++) { w[i] = weights[(ty + 16u * i) * Y_PITCH + slab + c]; }
        for (var n = 0u; n < ACC; n++) {
          let y = stage[c * WIDTH + tx + 16u * n];
          for (var i = 0u; i < 4u; i++) { ${acc}[i][n] = fma(w[i], y, ${acc}[i][n]); }
        }
      }
      workgroupBarrier();
    }`;

/** dq: a group owns queries and walks the keys. */
export const attentionGradQueryTiled: Kernel = {
  name: "attentionGradQueryTiled",
  inputs: gradInputs(1),
  outWidth: 1,
  params: gradParams,
  body: /* wgsl */ `${memory}
@compute @workgroup_size(256)
fn main(@builtin(workgroup_id) group: vec3u, @builtin(num_workgroups) grid: vec3u, @builtin(local_invocation_index) thread: u32) {
  ${start("Lq")}
  var dq: array<array<f32, ACC>, 4>;
  let keys = select(P.Lk, min(P.Lk, row0 + ROWS), P.causal == 1u);
  for (var column0 = 0u; column0 < keys; column0 += STEP) {
    var s = array<vec2f, 4>();
    ${products("s", ["q", "Lq"], ["k", "Lk"])}
    var dp = array<vec2f, 4>();
    ${products("dp", ["g", "Lq"], ["v", "Lk"])}
    for (var i = 0u; i < 4u; i++) {
      let query = row0 + ty + 16u * i;
      let at = rows0 + min(query, P.Lq - 1u);
      let key = vec2u(column0 + tx, column0 + tx + 16u);
      var x = s[i] * P.scale;
      if (P.masked == 1u) {
        let m = m0 + min(query, P.Lq - 1u) * P.mRow;
        x += vec2f(mask_at(m + min(key.x, P.Lk - 1u)), mask_at(m + min(key.y, P.Lk - 1u)));
      }
      let visible = (key < vec2u(keys)) & ((key <= vec2u(query)) | vec2<bool>(P.causal == 0u));
      let ds = exp(x - rows_at(at)) * rows_at(queries + at) * (dp[i] - rows_at(2u * queries + at)) * P.scale;
      s[i] = select(vec2f(), ds, visible);
    }
    ${weigh("dq", "s", ["k", "Lk"])}
  }

  if (batch >= P.batch) { return; }
  for (var i = 0u; i < 4u; i++) {
    let row = row0 + ty + 16u * i;
    for (var n = 0u; n < ACC; n++) {
      let d = d0 + tx + 16u * n;
      if (row < P.Lq && d < P.D) { out[batch * P.oBatch + head * P.oHead + row * P.oToken + d] = dq[i][n]; }
    }
  }
}`,
};

/** dk and dv: a group owns keys and walks the queries that may look at them. */
export const attentionGradKeyValueTiled: Kernel = {
  name: "attentionGradKeyValueTiled",
  inputs: gradInputs(1),
  outWidth: 1,
  extras: [{ name: "outValue", width: 1 }],
  params: gradParams,
  body: /* wgsl */ `${memory}
@compute @workgroup_size(256)
fn main(@builtin(workgroup_id) group: vec3u, @builtin(num_workgroups) grid: vec3u, @builtin(local_invocation_index) thread: u32) {
  ${start("Lk")}
  var dk: array<array<f32, ACC>, 4>;
  var dv: array<array<f32, ACC>, 4>;
  let first = select(0u, row0 / STEP * STEP, P.causal == 1u);
  for (var column0 = first; column0 < P.Lq; column0 += STEP) {
    var p = array<vec2f, 4>();
    ${products("p", ["k", "Lk"], ["q", "Lq"])}
    var ds = array<vec2f, 4>();
    ${products("ds", ["v", "Lk"], ["g", "Lq"])}
    let query = vec2u(column0 + tx, column0 + tx + 16u);
    let near = min(query, vec2u(P.Lq - 1u));
    let at = rows0 + near;
    let largest = vec2f(rows_at(at.x), rows_at(at.y));
    let inverse = vec2f(rows_at(queries + at.x), rows_at(queries + at.y));
    let mean = vec2f(rows_at(2u * queries + at.x), rows_at(2u * queries + at.y));
    for (var i = 0u; i < 4u; i++) {
      let key = min(row0 + ty + 16u * i, P.Lk - 1u);
      var x = p[i] * P.scale;
      if (P.masked == 1u) { x += vec2f(mask_at(m0 + near.x * P.mRow + key), mask_at(m0 + near.y * P.mRow + key)); }
      let visible = (query < vec2u(P.Lq)) & ((vec2u(key) <= query) | vec2<bool>(P.causal == 0u));
      let weight = exp(x - largest) * inverse;
      p[i] = select(vec2f(), weight, visible);
      ds[i] = select(vec2f(), weight * (ds[i] - mean) * P.scale, visible);
    }
    ${weigh("dv", "p", ["g", "Lq"])}
    ${weigh("dk", "ds", ["q", "Lq"])}
  }

  if (batch >= P.batch) { return; }
  for (var i = 0u; i < 4u; i++) {
    let row = row0 + ty + 16u * i;
    for (var n = 0u; n < ACC; n++) {
      let d = d0 + tx + 16u * n;
      if (row < P.Lk && d < P.D) {
        let to = batch * P.oBatch + head * P.oHead + row * P.oToken + d;
        out[to] = dk[i][n];
        outValue[to] = dv[i][n];
      }
    }
  }
}`,
};
