import type { Kernel } from "../kernel.ts";
import { matmulParams } from "./params.ts";

/** Few rows (M ≤ ROWS): one workgroup per column splits k over its threads. */
export const matmulGemv: Kernel = {
  name: "matmulGemv",
  inputs: [
    { name: "a", width: 1 },
    { name: "b", width: 1 },
    { name: "bias", width: 1 },
  ],
  outWidth: 1,
  params: matmulParams,
  body: /* wgsl */ `
const THREADS = 64u;
var<workgroup> partial: array<f32, THREADS * ROWS>;

@compute @workgroup_size(64)
fn main(@builtin(workgroup_id) group: vec3u, @builtin(num_workgroups) grid: vec3u, @builtin(local_invocation_index) thread: u32) {
  let tile = group.y * grid.x + group.x;
  let batch = tile / P.N;
  let col = tile % P.N;
  let a0 = P.aOffset + batch / P.batchInner * P.aOuter + batch % P.batchInner * P.aInner;
  let b0 = P.bOffset + batch / P.batchInner * P.bOuter + batch % P.batchInner * P.bInner + col * P.bCol;
  var acc: array<f32, ROWS>;
  for (var k = thread; k < P.K; k += THREADS) {
    let y = b_at(b0 + k * P.bRow);
    for (var i = 0u; i < ROWS; i++) { acc[i] = fma(a_at(a0 + min(i, P.M - 1u) * P.aRow + k * P.aCol), y, acc[i]); }
  }
  for (var i = 0u; i < ROWS; i++) { partial[i * THREADS + thread] = acc[i]; }
  workgroupBarrier();
  for (var half = THREADS / 2u; half > 0u; half /= 2u) {
    if (thread < half) {
      for (var i = 0u; i < ROWS; i++) { partial[i * THREADS + thread] += partial[i * THREADS + thread + half]; }
    }
    workgroupBarrier();
  }
  if (thread < P.M && tile < P.N * P.batch) {
    var v = partial[thread * THREADS];
    if (BIAS == 1u) { v += bias_at(col); }
    if (BIAS == 2u) { v += bias_at(thread); }
    out[(batch * P.M + thread) * P.N + col] = v;
  }
}`,
};
