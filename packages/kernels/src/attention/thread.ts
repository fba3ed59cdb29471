import type { Kernel } from "../kernel.ts";
import { attentionParams } from "./params.ts";

// One thread per query, or per WIDTH columns of wider heads, without barriers or subgroups: for CPUs that pose as GPUs. It runs about as
// fast as the tiled kernel there and compiles in a small fraction of the time, as every loop stays rolled. WIDTH is the same for narrow
// heads: short arrays would be kept in registers with every index unrolled, which takes seven times as long to compile.

export const attentionThread: Kernel = thread("attentionThread", "");

/** The same, and saves what the backward pass needs of each row: its largest score, and the reciprocal of its sum. */
export const attentionThreadSaving: Kernel = {
  ...thread(
    "attentionThreadSaving",
    `if (d0 == 0u) {
    let at = (batch * P.heads + head) * P.Lq + row;
    saved[at] = select(top, 0.0, sum == 0.0);
    saved[P.batch * P.heads * P.Lq + at] = inverse;
  }`,
  ),
  extras: [{ name: "saved", width: 1 }],
};

function thread(name: string, save: string): Kernel {
  return {
    name,
    inputs: ["q", "k", "v", "mask"].map((name) => ({ name, width: 1 })),
    outWidth: 1,
    params: attentionParams,
    body: /* wgsl */ `
const LOWEST = -3.4028234e38;

@compute @workgroup_size(64)
fn main(@builtin(workgroup_id) group: vec3u, @builtin(num_workgroups) grid: vec3u, @builtin(local_invocation_index) thread: u32) {
  let slices = (P.D + WIDTH - 1u) / WIDTH;
  let at = (group.y * grid.x + group.x) * 64u + thread;
  if (at >= P.batch * P.heads * P.Lq * slices) { return; }
  let d0 = at % slices * WIDTH;
  let width = min(WIDTH, P.D - d0);
  let row = at / slices % P.Lq;
  let batch = at / (slices * P.Lq * P.heads);
  let head = at / (slices * P.Lq) % P.heads;
  let q0 = batch * P.qBatch + head * P.qHead + row * P.qToken;
  let k0 = batch * P.kBatch + head * P.kHead;
  let v0 = batch * P.vBatch + head * P.vHead + d0;
  let m0 = batch * P.mBatch + head * P.mHead + row * P.mRow;

  var o: array<f32, WIDTH>;
  var top = LOWEST; // running maximum, finite so that differences are numbers while everything is masked
  var sum = 0.0;
  let keys = select(P.Lk, min(P.Lk, row + 1u), CAUSAL == 1u);
  for (var key = 0u; key < keys; key++) {
    var s = 0.0;
    for (var d = 0u; d < P.D; d++) { s = fma(q_at(q0 + d), k_at(k0 + key * P.kToken + d), s); }
    s *= P.scale;
    if (MASK == 1u) { s += mask_at(m0 + key); }
    let high = max(top, s);
    let fade = exp(top - high);
    let weight = exp(s - high);
    top = high;
    sum = fma(sum, fade, weight);
    for (var d = 0u; d < width; d++) { o[d] = fma(weight, v_at(v0 + key * P.vToken + d), o[d] * fade); }
  }

  // A row with every key masked is zero, as in torch.nn.functional.scaled_dot_product_attention.
  let inverse = select(1.0 / sum, 0.0, sum == 0.0);
  ${save}
  let to = batch * P.oBatch + head * P.oHead + row * P.oToken + d0;
  for (var d = 0u; d < width; d++) { out[to + d] = o[d] * inverse; }
}`,
  };
}
