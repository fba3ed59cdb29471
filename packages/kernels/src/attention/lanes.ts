import type { Kernel } from "../kernel.ts";
import { attentionParams } from "./params.ts";

/**
 * Subgroups of eight lanes; D and every stride are multiples of four. Constants: R query rows per group, 8·C keys per step, E output quads
 * per lane (⌈D / 32⌉, or 8 for D > 160).
 */
export const attentionLanes: Kernel = lanes("attentionLanes", "");

/** The same, and saves what the backward pass needs of each row: its largest score, and the reciprocal of its sum. */
export const attentionLanesSaving: Kernel = {
  ...lanes(
    "attentionLanesSaving",
    `if (lane == 0u && tile % slices == 0u) {
      let row = (batch * P.heads + head) * P.Lq + row0 + i;
      saved[row] = select(top[i], 0.0, sum == 0.0);
      saved[P.batch * P.heads * P.Lq + row] = inverse;
    }`,
  ),
  extras: [{ name: "saved", width: 1 }],
};

function lanes(name: string, save: string): Kernel {
  return {
    name,
    subgroups: true,
    inputs: [
      { name: "q", width: 4 },
      { name: "k", width: 4 },
      { name: "v", width: 4 },
      { name: "mask", width: 1 },
    ],
    outWidth: 4,
    params: attentionParams,
    body: /* wgsl */ `
const LOWEST = -3.4028234e38;

// One subgroup of 8 lanes owns R query rows and walks the keys in tiles of 8*C.
// Scores: a lane owns keys key0 + lane + 8*j. Output: a lane owns the D-quads quad0 + 8*e. A head wider than 32*E
// is cut into slices of 32*E output columns, each of which computes the scores again (only for D > 160).
@compute @workgroup_size(8)
fn main(@builtin(workgroup_id) group: vec3u, @builtin(num_workgroups) grid: vec3u, @builtin(local_invocation_index) lane: u32) {
  let rowTiles = (P.Lq + R - 1u) / R;
  let slices = (P.D + 32u * E - 1u) / (32u * E);
  let tile = group.y * grid.x + group.x;
  let quad0 = tile % slices * 8u * E + lane;
  let batch = tile / (slices * rowTiles * P.heads);
  let head = tile / (slices * rowTiles) % P.heads;
  let row0 = tile / slices % rowTiles * R;
  let D4 = P.D / 4u;
  let qRow = P.qToken / 4u;
  let q0 = (batch * P.qBatch + head * P.qHead) / 4u + row0 * qRow;
  let k0 = (batch * P.kBatch + head * P.kHead) / 4u;
  let v0 = (batch * P.vBatch + head * P.vHead) / 4u + quad0;
  let m0 = batch * P.mBatch + head * P.mHead + row0 * P.mRow;

  var o: array<array<vec4f, E>, R>;
  var top: array<f32, R>;   // running maximum of each row, the same in all lanes
  var total: array<f32, R>; // running sum of this lane's keys
  for (var i = 0u; i < R; i++) { top[i] = LOWEST; }

  let keys = select(P.Lk, min(P.Lk, row0 + R), CAUSAL == 1u);
  for (var key0 = 0u; key0 < keys; key0 += 8u * C) {
    var kAt: array<u32, C>;
    for (var j = 0u; j < C; j++) { kAt[j] = k0 + min(key0 + j * 8u + lane, P.Lk - 1u) * (P.kToken / 4u); }
    // Explicitly zero: Tint's SPIR-V does not clear a variable again when the loop comes round.
    var s = array<array<f32, C>, R>();
    for (var d0 = 0u; d0 < D4; d0 += 8u) {
      var x: array<vec4f, R>;
      for (var i = 0u; i < R; i++) { x[i] = q_at4(q0 + i * qRow + d0 + lane); }
      let steps = min(8u, D4 - d0);
      for (var u = 0u; u < steps; u++) {
        var y: array<vec4f, C>;
        for (var j = 0u; j < C; j++) { y[j] = k_at4(kAt[j] + d0 + u); }
        for (var i = 0u; i < R; i++) {
          let t = subgroupShuffle(x[i], u);
          for (var j = 0u; j < C; j++) {
            s[i][j] = fma(t.w, y[j].w, fma(t.z, y[j].z, fma(t.y, y[j].y, fma(t.x, y[j].x, s[i][j]))));
          }
        }
      }
    }

    for (var i = 0u; i < R; i++) {
      var high = LOWEST;
      for (var j = 0u; j < C; j++) {
        s[i][j] *= P.scale;
        let key = key0 + j * 8u + lane;
        if (MASK == 1u) { s[i][j] += mask_at(m0 + i * P.mRow + key); }
        high = max(high, select(LOWEST, s[i][j], key < keys && (CAUSAL == 0u || key <= row0 + i)));
      }
      high = max(high, subgroupShuffleXor(high, 1u));
      high = max(high, subgroupShuffleXor(high, 2u));
      high = max(top[i], max(high, subgroupShuffleXor(high, 4u)));
      let fade = exp(top[i] - high);
      top[i] = high;
      total[i] *= fade;
      for (var j = 0u; j < C; j++) {
        let key = key0 + j * 8u + lane;
        s[i][j] = select(0.0, exp(s[i][j] - high), key < keys && (CAUSAL == 0u || key <= row0 + i));
        total[i] += s[i][j];
      }
      for (var e = 0u; e < E; e++) { o[i][e] *= fade; }
    }

    let steps = min(8u, keys - key0);
    for (var u = 0u; u < steps; u++) {
      for (var j = 0u; j < C; j++) {
        let vAt = v0 + min(key0 + j * 8u + u, P.Lk - 1u) * (P.vToken / 4u);
        var y: array<vec4f, E>;
        for (var e = 0u; e < E; e++) { y[e] = v_at4(vAt + e * 8u); }
        for (var i = 0u; i < R; i++) {
          let t = vec4f(subgroupShuffle(s[i][j], u));
          for (var e = 0u; e < E; e++) { o[i][e] = fma(t, y[e], o[i][e]); }
        }
      }
    }
  }

  let out0 = (batch * P.oBatch + head * P.oHead) / 4u + row0 * (P.oToken / 4u);
  let rows = select(0u, min(R, P.Lq - row0), batch < P.batch);
  for (var i = 0u; i < rows; i++) {
    var sum = total[i];
    sum += subgroupShuffleXor(sum, 1u);
    sum += subgroupShuffleXor(sum, 2u);
    sum += subgroupShuffleXor(sum, 4u);
    // A row with every key masked is zero, as in torch.nn.functional.scaled_dot_product_attention.
    let inverse = select(1.0 / sum, 0.0, sum == 0.0);
    ${save}
    for (var e = 0u; e < E; e++) {
      let quad = quad0 + e * 8u;
      if (quad < D4) { out[out0 + i * (P.oToken / 4u) + quad] = o[i][e] * inverse; }
    }
  }
}`,
  };
}
