import type { Kernel } from "../kernel.ts";
import { gradInputs, gradParams } from "./grad-params.ts";

// One thread per 16 columns of one row of a result, no barriers or subgroups: for CPUs that pose as GPUs and cannot run the lanes kernels.

const start = (rows: "Lq" | "Lk"): string => `
  let slices = (P.D + WIDTH - 1u) / WIDTH;
  let at = (group.y * grid.x + group.x) * 64u + thread;
  if (at >= P.batch * P.heads * P.${rows} * slices) { return; }
  let d0 = at % slices * WIDTH;
  let width = min(WIDTH, P.D - d0);
  let row = at / slices % P.${rows};
  let batch = at / (slices * P.${rows} * P.heads);
  let head = at / (slices * P.${rows}) % P.heads;`;

const pair = `
const WIDTH = 16u;

/** The weight P of a query and a key, and dS times the scale. */
fn pair(batch: u32, head: u32, query: u32, key: u32) -> vec2f {
  let q0 = batch * P.qBatch + head * P.qHead + query * P.qToken;
  let k0 = batch * P.kBatch + head * P.kHead + key * P.kToken;
  let v0 = batch * P.vBatch + head * P.vHead + key * P.vToken;
  let g0 = batch * P.gBatch + head * P.gHead + query * P.gToken;
  var s = 0.0;
  var dp = 0.0;
  for (var d = 0u; d < P.D; d++) {
    s = fma(q_at(q0 + d), k_at(k0 + d), s);
    dp = fma(g_at(g0 + d), v_at(v0 + d), dp);
  }
  s *= P.scale;
  if (P.masked == 1u) { s += mask_at(batch * P.mBatch + head * P.mHead + query * P.mRow + key); }
  let queries = P.batch * P.heads * P.Lq;
  let row = (batch * P.heads + head) * P.Lq + query;
  let p = exp(s - rows_at(row)) * rows_at(queries + row);
  return vec2f(p, p * (dp - rows_at(2u * queries + row)) * P.scale);
}
`;

export const attentionGradQueryThread: Kernel = {
  name: "attentionGradQueryThread",
  inputs: gradInputs(1),
  outWidth: 1,
  params: gradParams,
  body: /* wgsl */ `${pair}
@compute @workgroup_size(64)
fn main(@builtin(workgroup_id) group: vec3u, @builtin(num_workgroups) grid: vec3u, @builtin(local_invocation_index) thread: u32) {
  ${start("Lq")}
  let k0 = batch * P.kBatch + head * P.kHead + d0;
  var dq: array<f32, WIDTH>;
  let keys = select(P.Lk, min(P.Lk, row + 1u), P.causal == 1u);
  for (var key = 0u; key < keys; key++) {
    let ds = pair(batch, head, row, key).y;
    for (var d = 0u; d < width; d++) { dq[d] = fma(ds, k_at(k0 + key * P.kToken + d), dq[d]); }
  }
  let to = batch * P.oBatch + head * P.oHead + row * P.oToken + d0;
  for (var d = 0u; d < width; d++) { out[to + d] = dq[d]; }
}`,
};

export const attentionGradKeyValueThread: Kernel = {
  name: "attentionGradKeyValueThread",
  inputs: gradInputs(1),
  outWidth: 1,
  extras: [{ name: "outValue", width: 1 }],
  params: gradParams,
  body: /* wgsl */ `${pair}
@compute @workgroup_size(64)
fn main(@builtin(workgroup_id) group: vec3u, @builtin(num_workgroups) grid: vec3u, @builtin(local_invocation_index) thread: u32) {
  ${start("Lk")}
  let q0 = batch * P.qBatch + head * P.qHead + d0;
  let g0 = batch * P.gBatch + head * P.gHead + d0;
  var dk: array<f32, WIDTH>;
  var dv: array<f32, WIDTH>;
  for (var query = select(0u, row, P.causal == 1u); query < P.Lq; query++) {
    let weights = pair(batch, head, query, row);
    for (var d = 0u; d < width; d++) {
      dk[d] = fma(weights.y, q_at(q0 + query * P.qToken + d), dk[d]);
      dv[d] = fma(weights.x, g_at(g0 + query * P.gToken + d), dv[d]);
    }
  }
  let to = batch * P.oBatch + head * P.oHead + row * P.oToken + d0;
  for (var d = 0u; d < width; d++) {
    out[to + d] = dk[d];
    outValue[to + d] = dv[d];
  }
}`,
};
