import type { Kernel } from "../kernel.ts";
import { gradInputs, gradParams } from "./grad-params.ts";

// Subgroups of eight lanes; D and every stride are multiples of four. Constants: R rows per group, 8·C columns per step, E quads of a
// result per lane.

/** Shared by both kernels: where the group's tile lies. A group owns rows and walks columns. */
const start = (rows: "Lq" | "Lk"): string => `
  let rowTiles = (P.${rows} + R - 1u) / R;
  let slices = (P.D + 32u * E - 1u) / (32u * E);
  let tile = group.y * grid.x + group.x;
  let quad0 = tile % slices * 8u * E + lane;
  let batch = tile / (slices * rowTiles * P.heads);
  let head = tile / (slices * rowTiles) % P.heads;
  let row0 = tile / slices % rowTiles * R;
  let D4 = P.D / 4u;
  let qRow = P.qToken / 4u;
  let kRow = P.kToken / 4u;
  let vRow = P.vToken / 4u;
  let gRow = P.gToken / 4u;
  let q0 = (batch * P.qBatch + head * P.qHead) / 4u;
  let k0 = (batch * P.kBatch + head * P.kHead) / 4u;
  let v0 = (batch * P.vBatch + head * P.vHead) / 4u;
  let g0 = (batch * P.gBatch + head * P.gHead) / 4u;
  let out0 = (batch * P.oBatch + head * P.oHead) / 4u;
  let m0 = batch * P.mBatch + head * P.mHead;
  let queries = P.batch * P.heads * P.Lq;
  let rows0 = (batch * P.heads + head) * P.Lq;`;

/** Dot products of R rows of `x` with the lane's own columns of `y`, `column[j]`. */
const products = (into: string, x: string, y: string): string => `
    for (var d0 = 0u; d0 < D4; d0 += 8u) {
      var x: array<vec4f, R>;
      for (var i = 0u; i < R; i++) { x[i] = ${x}_at4(${x}0 + (row0 + i) * ${x}Row + d0 + lane); }
      let steps = min(8u, D4 - d0);
      for (var u = 0u; u < steps; u++) {
        var y: array<vec4f, C>;
        for (var j = 0u; j < C; j++) { y[j] = ${y}_at4(${y}0 + column[j] * ${y}Row + d0 + u); }
        for (var i = 0u; i < R; i++) {
          let t = subgroupShuffle(x[i], u);
          for (var j = 0u; j < C; j++) {
            ${into}[i][j] = fma(t.w, y[j].w, fma(t.z, y[j].z, fma(t.y, y[j].y, fma(t.x, y[j].x, ${into}[i][j]))));
          }
        }
      }
    }`;

/** Adds the columns of `y`, weighted by `by`, to the lane's quads of the R rows of `acc`. */
const weigh = (acc: string, by: string, y: string): string => `
        {
          let at = ${y}0 + other * ${y}Row + quad0;
          var y: array<vec4f, E>;
          for (var e = 0u; e < E; e++) { y[e] = ${y}_at4(at + e * 8u); }
          for (var i = 0u; i < R; i++) {
            let t = vec4f(subgroupShuffle(${by}[i][j], u));
            for (var e = 0u; e < E; e++) { ${acc}[i][e] = fma(t, y[e], ${acc}[i][e]); }
          }
        }`;

/** dq: a group owns queries and walks the keys. */
export const attentionGradQueryLanes: Kernel = {
  name: "attentionGradQueryLanes",
  subgroups: true,
  inputs: gradInputs(4),
  outWidth: 4,
  params: gradParams,
  body: /* wgsl */ `
@compute @workgroup_size(8)
fn main(@builtin(workgroup_id) group: vec3u, @builtin(num_workgroups) grid: vec3u, @builtin(local_invocation_index) lane: u32) {
  ${start("Lq")}
  // A bound that is known only when it runs keeps loops rolled, which halves the time to compile.
  let count = select(0u, min(R, P.Lq - row0), batch < P.batch);

  var dq: array<array<vec4f, E>, R>;
  let keys = select(P.Lk, min(P.Lk, row0 + R), P.causal == 1u);
  for (var key0 = 0u; key0 < keys; key0 += 8u * C) {
    var column: array<u32, C>;
    for (var j = 0u; j < C; j++) { column[j] = min(key0 + j * 8u + lane, P.Lk - 1u); }
    var s = array<array<f32, C>, R>();
    ${products("s", "q", "k")}
    var dp = array<array<f32, C>, R>();
    ${products("dp", "g", "v")}
    for (var i = 0u; i < count; i++) {
      let at = rows0 + row0 + i;
      for (var j = 0u; j < C; j++) {
        let key = key0 + j * 8u + lane;
        var x = s[i][j] * P.scale;
        if (P.masked == 1u) { x += mask_at(m0 + (row0 + i) * P.mRow + column[j]); }
        let visible = key < keys && (P.causal == 0u || key <= row0 + i);
        s[i][j] = select(0.0, exp(x - rows_at(at)) * rows_at(queries + at) * (dp[i][j] - rows_at(2u * queries + at)) * P.scale, visible);
      }
    }
    let steps = min(8u, keys - key0);
    for (var u = 0u; u < steps; u++) {
      for (var j = 0u; j < C; j++) {
        let other = min(key0 + j * 8u + u, P.Lk - 1u);
        ${weigh("dq", "s", "k")}
      }
    }
  }

  for (var i = 0u; i < count; i++) {
    let to = out0 + (row0 + i) * (P.oToken / 4u);
    for (var e = 0u; e < E; e++) {
      let quad = quad0 + e * 8u;
      if (quad < D4) { out[to + quad] = dq[i][e]; }
    }
  }
}`,
};

/** dk and dv: a group owns keys and walks the queries that may look at them. */
export const attentionGradKeyValueLanes: Kernel = {
  name: "attentionGradKeyValueLanes",
  subgroups: true,
  inputs: gradInputs(4),
  outWidth: 4,
  extras: [{ name: "outValue", width: 4 }],
  params: gradParams,
  body: /* wgsl */ `
@compute @workgroup_size(8)
fn main(@builtin(workgroup_id) group: vec3u, @builtin(num_workgroups) grid: vec3u, @builtin(local_invocation_index) lane: u32) {
  ${start("Lk")}
  // A bound that is known only when it runs keeps loops rolled, which halves the time to compile.
  let count = select(0u, min(R, P.Lk - row0), batch < P.batch);
  var dk: array<array<vec4f, E>, R>;
  var dv: array<array<vec4f, E>, R>;
  let first = select(0u, row0 / (8u * C) * 8u * C, P.causal == 1u);
  for (var query0 = first; query0 < P.Lq; query0 += 8u * C) {
    var column: array<u32, C>;
    for (var j = 0u; j < C; j++) { column[j] = min(query0 + j * 8u + lane, P.Lq - 1u); }
    var p = array<array<f32, C>, R>();
    ${products("p", "k", "q")}
    var ds = array<array<f32, C>, R>();
    ${products("ds", "v", "g")}
    for (var j = 0u; j < C; j++) {
      let largest = rows_at(rows0 + column[j]);
      let inverse = rows_at(queries + rows0 + column[j]);
      let mean = rows_at(2u * queries + rows0 + column[j]);
      let query = query0 + j * 8u + lane;
      for (var i = 0u; i < count; i++) {
        let key = row0 + i;
        var x = p[i][j] * P.scale;
        if (P.masked == 1u) { x += mask_at(m0 + column[j] * P.mRow + key); }
        let visible = query < P.Lq && (P.causal == 0u || key <= query);
        let weight = exp(x - largest) * inverse;
        p[i][j] = select(0.0, weight, visible);
        ds[i][j] = select(0.0, weight * (ds[i][j] - mean) * P.scale, visible);
      }
    }
    let steps = min(8u, P.Lq - query0);
    for (var u = 0u; u < steps; u++) {
      for (var j = 0u; j < C; j++) {
        let other = min(query0 + j * 8u + u, P.Lq - 1u);
        ${weigh("dv", "p", "g")}
        ${weigh("dk", "ds", "q")}
      }
    }
  }

  for (var i = 0u; i < count; i++) {
    let to = out0 + (row0 + i) * (P.oToken / 4u);
    for (var e = 0u; e < E; e++) {
      let quad = quad0 + e * 8u;
      if (quad < D4) {
        out[to + quad] = dk[i][e];
        outValue[to + quad] = dv[i][e];
      }
    }
  }
}`,
};
