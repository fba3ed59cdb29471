import { type Kernel } from "../kernel.ts";
import { attentionParams } from "./params.ts";

/** One thread per query row, any width: a pass for the largest score and one that accumulates in place. The last resort. */
export const attentionRows: Kernel = {
  name: "attentionRows",
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

@compute @workgroup_size(64)
fn main(@builtin(workgroup_id) group: vec3u, @builtin(num_workgroups) grid: vec3u, @builtin(local_invocation_index) lane: u32) {
  let i = (group.y * grid.x + group.x) * 64u + lane;
  if (i >= P.batch * P.heads * P.Lq) { return; }
  let row = i % P.Lq;
  let head = i / P.Lq % P.heads;
  let b = i / (P.Lq * P.heads);
  let q = b * P.qBatch + head * P.qHead + row * P.qToken;
  let k = b * P.kBatch + head * P.kHead;
  let v = b * P.vBatch + head * P.vHead;
  let m = b * P.mBatch + head * P.mHead + row * P.mRow;
  let o = b * P.oBatch + head * P.oHead + row * P.oToken;
  let keys = select(P.Lk, min(P.Lk, row + 1u), CAUSAL == 1u);
  var high = LOWEST;
  var total = 0.0;
  for (var d = 0u; d < P.D; d++) { out[o + d] = 0.0; }
  for (var j = 0u; j < keys; j++) {
    var s = 0.0;
    for (var d = 0u; d < P.D; d++) { s = fma(q_at(q + d), k_at(k + j * P.kToken + d), s); }
    s *= P.scale;
    if (MASK == 1u) { s += mask_at(m + j); }
    if (s > high) {
      let fade = exp(high - s);
      total *= fade;
      for (var d = 0u; d < P.D; d++) { out[o + d] *= fade; }
      high = s;
    }
    let p = exp(s - high);
    total += p;
    for (var d = 0u; d < P.D; d++) { out[o + d] += p * v_at(v + j * P.vToken + d); }
  }
  // A row that may look at nothing is zero.
  let inverse = select(0.0, 1.0 / total, total > 0.0);
  for (var d = 0u; d < P.D; d++) { out[o + d] *= inverse; }
}`,
};
