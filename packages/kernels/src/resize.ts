import type { ResizeMode } from "@snoopi/core";
import { bindable, bindDense } from "./binding.ts";
import type { Kernel } from "./kernel.ts";
import type { Lowering } from "./lowering.ts";
import { byRows } from "./split.ts";

/** One thread per output pixel. Positions are computed in f32 as PyTorch does, from a scale that is handed over. */
const kernel: Kernel = {
  name: "resize",
  inputs: [{ name: "x", width: 1 }],
  outWidth: 1,
  params: ["n", "H", "W", "OH", "OW", ["scaleY", "f32"], ["scaleX", "f32"]],
  body: /* wgsl */ `
// The two source positions and the weight of the second.
fn tap(i: u32, scale: f32, length: u32) -> vec3f {
  if (NEAREST == 1u) {
    let at = min(floor(f32(i) * scale), f32(length - 1u));
    return vec3f(at, at, 0.0);
  }
  let at = max((f32(i) + 0.5) * scale - 0.5, 0.0);
  let low = min(floor(at), f32(length - 1u));
  return vec3f(low, min(low + 1.0, f32(length - 1u)), at - low);
}

@compute @workgroup_size(64)
fn main(@builtin(workgroup_id) group: vec3u, @builtin(num_workgroups) grid: vec3u, @builtin(local_invocation_index) lane: u32) {
  let i = (group.y * grid.x + group.x) * 64u + lane;
  if (i >= P.n) { return; }
  let y = tap(i / P.OW % P.OH, P.scaleY, P.H);
  let x = tap(i % P.OW, P.scaleX, P.W);
  let plane = i / (P.OW * P.OH) * P.H * P.W;
  let top = plane + u32(y.x) * P.W;
  if (NEAREST == 1u) {
    out[i] = x_at(top + u32(x.x));
    return;
  }
  let bottom = plane + u32(y.y) * P.W;
  let upper = mix(x_at(top + u32(x.x)), x_at(top + u32(x.y)), x.z);
  let lower = mix(x_at(bottom + u32(x.x)), x_at(bottom + u32(x.y)), x.z);
  out[i] = mix(upper, lower, y.z);
}`,
};

export const resize: Lowering<{ size: readonly [number, number]; mode: ResizeMode }> = {
  accepts: (_, layout) => bindable(layout),
  launch(call) {
    const {
      size: [OH, OW],
      mode,
    } = call.attrs;
    const [b, c, H, W] = call.inputs[0].layout.shape;
    return byRows(call, b * c, ({ count, x, out }) => {
      const n = count * OH * OW;
      const params = { n, H, W, OH, OW, scaleY: Math.fround(H / OH), scaleX: Math.fround(W / OW) };
      const consts = { NEAREST: mode === "nearest" ? 1 : 0 };
      return [{ kernel, inputs: [bindDense(x)], out: bindDense(out), consts, params, groups: Math.ceil(n / 64) }];
    });
  },
};
