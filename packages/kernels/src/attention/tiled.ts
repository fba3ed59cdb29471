import type { Kernel } from "../kernel.ts";
import { attentionParams } from "./params.ts";

/**
 * 64 queries × 32 keys per step in workgroup memory; any width, needs default limits only. Constants: ACC output columns per thread, 16·ACC
 * per group.
 */
export const attentionTiled: Kernel = tiled("attentionTiled", "");

/** The same, and saves what the backward pass needs of each row: its largest score, and the reciprocal of its sum. */
export const attentionTiledSaving: Kernel = {
  ...tiled(
    "attentionTiledSaving",
    `if (thread % 4u == 0u && row0 + softRow < P.Lq && tile % slices == 0u) {
    let sum = partial[thread] + partial[thread + 1u] + partial[thread + 2u] + partial[thread + 3u];
    let row = (batch * P.heads + head) * P.Lq + row0 + softRow;
    saved[row] = select(top, 0.0, sum == 0.0);
    saved[P.batch * P.heads * P.Lq + row] = select(1.0 / sum, 0.0, sum == 0.0);
  }`,
  ),
  extras: [{ name: "saved", width: 1 }],
};

function tiled(name: string, save: string): Kernel {
  return {
    name,
    inputs: [
      { name: "q", width: 1 },
      { name: "k", width: 1 },
      { name: "v", width: 1 },
      { name: "mask", width: 1 },
    ],
    outWidth: 1,
    params: attentionParams,
    body: /* wgsl */ `
const LOWEST = -3.4028234e38;
const ROWS = 64u;
const KEYS = 32u;
const DEPTH = 16u;
const V_KEYS = 8u;
const COLUMNS = 16u * ACC;
const Q_PITCH = ROWS + 1u;
const K_PITCH = KEYS + 1u;
const K_START = DEPTH * Q_PITCH;
var<workgroup> scores: array<f32, ROWS * K_PITCH>;
var<workgroup> stage: array<f32, 1568>; // q and k slabs, later slabs of v
var<workgroup> partial: array<f32, 256>;
var<workgroup> fades: array<f32, ROWS>;

@compute @workgroup_size(256)
fn main(@builtin(workgroup_id) group: vec3u, @builtin(num_workgroups) grid: vec3u, @builtin(local_invocation_index) thread: u32) {
  let rowTiles = (P.Lq + ROWS - 1u) / ROWS;
  let slices = (P.D + COLUMNS - 1u) / COLUMNS;
  let tile = group.y * grid.x + group.x;
  let batch = tile / (slices * rowTiles * P.heads);
  let head = tile / (slices * rowTiles) % P.heads;
  let row0 = tile / slices % rowTiles * ROWS;
  let column0 = tile % slices * COLUMNS;
  let q0 = batch * P.qBatch + head * P.qHead;
  let k0 = batch * P.kBatch + head * P.kHead;
  let v0 = batch * P.vBatch + head * P.vHead + column0;
  // Scores and outputs of a thread: rows ty + 16*i; keys tx + 16*j; columns tx + 16*n.
  let ty = thread / 16u;
  let tx = thread % 16u;
  // The softmax of a row is done by 4 threads.
  let softRow = thread / 4u;
  let m0 = batch * P.mBatch + head * P.mHead + min(row0 + softRow, P.Lq - 1u) * P.mRow;
  var top = LOWEST;
  var total = 0.0;
  var acc: array<array<f32, ACC>, 4>;

  let keys = select(P.Lk, min(P.Lk, row0 + ROWS), CAUSAL == 1u);
  for (var key0 = 0u; key0 < keys; key0 += KEYS) {
    var s = array<vec2f, 4>();
    for (var d0 = 0u; d0 < P.D; d0 += DEPTH) {
      let d = thread % DEPTH;
      for (var n = 0u; n < 4u; n++) {
        let r = n * 16u + ty;
        var x = 0.0;
        if (row0 + r < P.Lq && d0 + d < P.D) { x = q_at(q0 + (row0 + r) * P.qToken + d0 + d); }
        stage[d * Q_PITCH + r] = x;
      }
      for (var n = 0u; n < 2u; n++) {
        let key = n * 16u + ty;
        var x = 0.0;
        if (key0 + key < P.Lk && d0 + d < P.D) { x = k_at(k0 + (key0 + key) * P.kToken + d0 + d); }
        stage[K_START + d * K_PITCH + key] = x;
      }
      workgroupBarrier();
      for (var e = 0u; e < DEPTH; e++) {
        let at = K_START + e * K_PITCH + tx;
        let y = vec2f(stage[at], stage[at + 16u]);
        for (var i = 0u; i < 4u; i++) { s[i] = fma(vec2f(stage[e * Q_PITCH + ty + 16u * i]), y, s[i]); }
      }
      workgroupBarrier();
    }
    for (var i = 0u; i < 4u; i++) {
      scores[(ty + 16u * i) * K_PITCH + tx] = s[i].x * P.scale;
      scores[(ty + 16u * i) * K_PITCH + tx + 16u] = s[i].y * P.scale;
    }
    workgroupBarrier();

    var high = LOWEST;
    var mine: array<f32, 8>;
    for (var n = 0u; n < 8u; n++) {
      let key = thread % 4u + 4u * n;
      let visible = key0 + key < keys && (CAUSAL == 0u || key0 + key <= row0 + softRow);
      var x = scores[softRow * K_PITCH + key];
      if (MASK == 1u) { x += mask_at(m0 + min(key0 + key, P.Lk - 1u)); }
      mine[n] = x;
      high = max(high, select(LOWEST, x, visible));
    }
    partial[thread] = high;
    workgroupBarrier();
    high = max(top, max(max(partial[softRow * 4u], partial[softRow * 4u + 1u]), max(partial[softRow * 4u + 2u], partial[softRow * 4u + 3u])));
    let fade = exp(top - high);
    top = high;
    total *= fade;
    for (var n = 0u; n < 8u; n++) {
      let key = thread % 4u + 4u * n;
      let visible = key0 + key < keys && (CAUSAL == 0u || key0 + key <= row0 + softRow);
      let p = select(0.0, exp(mine[n] - high), visible);
      scores[softRow * K_PITCH + key] = p;
      total += p;
    }
    if (thread % 4u == 0u) { fades[softRow] = fade; }
    workgroupBarrier();

    for (var i = 0u; i < 4u; i++) {
      let f = fades[ty + 16u * i];
      for (var n = 0u; n < ACC; n++) { acc[i][n] *= f; }
    }
    for (var slab = 0u; slab < KEYS; slab += V_KEYS) {
      for (var e = thread; e < V_KEYS * COLUMNS; e += 256u) {
        let key = key0 + slab + e / COLUMNS;
        let column = e % COLUMNS;
        var x = 0.0;
        if (key < P.Lk && column0 + column < P.D) { x = v_at(v0 + key * P.vToken + column); }
        stage[e] = x;
      }
      workgroupBarrier();
      for (var key = 0u; key < V_KEYS; key++) {
        var p: array<f32, 4>;
        for (var i = 0u; i < 4u; i++) { p[i] = scores[(ty + 16u * i) * K_PITCH + slab + key]; }
        for (var n = 0u; n < ACC; n++) {
          let y = stage[key * COLUMNS + tx + 16u * n];
          for (var i = 0u; i < 4u; i++) { acc[i][n] = fma(p[i], y, acc[i][n]); }
        }
      }
      workgroupBarrier();
    }
  }

  partial[thread] = total;
  workgroupBarrier();
  if (batch >= P.batch) { return; }
  ${save}
  for (var i = 0u; i < 4u; i++) {
    let r = ty + 16u * i;
    let sum = partial[r * 4u] + partial[r * 4u + 1u] + partial[r * 4u + 2u] + partial[r * 4u + 3u];
    // A row with every key masked is zero, as in torch.nn.functional.scaled_dot_product_attention.
    let inverse = select(1.0 / sum, 0.0, sum == 0.0);
    for (var n = 0u; n < ACC; n++) {
      let column = column0 + tx + 16u * n;
      if (row0 + r < P.Lq && column < P.D) {
        out[batch * P.oBatch + head * P.oHead + (row0 + r) * P.oToken + column] = acc[i][n] * inverse;
      }
    }
  }
}`,
  };
}
