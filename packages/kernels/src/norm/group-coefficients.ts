import type { Kernel } from "../kernel.ts";

/**
 * Merges the statistics of a group's chunks into (mean, weight / √(variance + eps)) for each of its channel planes. A group has `share`
 * planes; the first plane is of channel `channel`.
 */
export const groupCoefficients: Kernel = {
  name: "groupCoefficients",
  inputs: [
    { name: "statistics", width: 1 },
    { name: "weight", width: 1 },
  ],
  outWidth: 1,
  params: ["planes", "C", "channel", "share", "length", "splits", "chunk", ["eps", "f32"]],
  body: /* wgsl */ `
@compute @workgroup_size(64)
fn main(@builtin(workgroup_id) group: vec3u, @builtin(num_workgroups) grid: vec3u, @builtin(local_invocation_index) thread: u32) {
  let at = (group.y * grid.x + group.x) * 64u + thread;
  if (at >= P.planes) { return; }
  let row = at / P.share;
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
  var scale = inverseSqrt(squares / count + P.eps);
  if (AFFINE == 1u) { scale *= weight_at((P.channel + at) % P.C); }
  out[at * 2u] = mean;
  out[at * 2u + 1u] = scale;
}`,
};
