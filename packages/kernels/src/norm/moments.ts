import type { Kernel } from "../kernel.ts";

/** Merges the statistics of a row's chunks into its (mean, 1/√(variance + eps)). */
export const joinMoments: Kernel = {
  name: "joinMoments",
  inputs: [{ name: "statistics", width: 1 }],
  outWidth: 1,
  params: ["rows", "length", "splits", "chunk", ["eps", "f32"]],
  body: /* wgsl */ `
@compute @workgroup_size(64)
fn main(@builtin(workgroup_id) group: vec3u, @builtin(num_workgroups) grid: vec3u, @builtin(local_invocation_index) thread: u32) {
  let row = (group.y * grid.x + group.x) * 64u + thread;
  if (row >= P.rows) { return; }
  // Chan's update for merging means and squared deviations.
  var count = 0.0;
  var mean = 0.0;
  var squares = 0.0;
  for (var s = 0u; s < P.splits; s++) {
    let n = f32(min(P.chunk, P.length - s * P.chunk));
    let delta = statistics_at((row * P.splits + s) * 2u) - mean;
    let sum = count + n;
    mean += delta * (n / sum);
    squares += statistics_at((row * P.splits + s) * 2u + 1u) + delta * delta * (count * (n / sum));
    count = sum;
  }
  out[row * 2u] = mean;
  out[row * 2u + 1u] = inverseSqrt(squares / count + P.eps);
}`,
};
