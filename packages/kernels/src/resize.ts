import { type ResizeMode, tapOf } from "@snoopi/core";
import { bindable, bindDense } from "./binding.ts";
import type { Launch } from "./encoder.ts";
import type { Kernel } from "./kernel.ts";
import type { Call, Lowering } from "./lowering.ts";
import { byRows } from "./split.ts";

interface Resize {
  readonly size: readonly [number, number];
  readonly mode: ResizeMode;
}

const params: Kernel["params"] = ["planes", "block", "H", "W", "OH", "OW", "stepY", "stepX", ["scaleY", "f32"], ["scaleX", "f32"]];

/** The input position that an output reads along one axis, computed in f32 as PyTorch does, from a scale given as a parameter. */
const position = /* wgsl */ `
fn position(i: u32, scale: f32, length: u32) -> f32 {
  if (NEAREST == 1u) { return min(floor(f32(i) * scale), f32(length - 1u)); }
  return clamp((f32(i) + 0.5) * scale - 0.5, 0.0, f32(length - 1u));
}
`;

/** A workgroup covers `block` rows of one plane; a thread goes down a column, computing what depends on the column once. */
const kernel: Kernel = {
  name: "resize",
  inputs: [{ name: "x", width: 1 }],
  outWidth: 1,
  params,
  body: /* wgsl */ `${position}
@compute @workgroup_size(LANES)
fn main(@builtin(workgroup_id) group: vec3u, @builtin(num_workgroups) grid: vec3u, @builtin(local_invocation_index) lane: u32) {
  let blocks = (P.OH + P.block - 1u) / P.block;
  let tile = group.y * grid.x + group.x;
  let plane = tile / blocks;
  if (plane >= P.planes) { return; }
  let first = tile % blocks * P.block;
  let last = min(first + P.block, P.OH);
  for (var column = lane; column < P.OW; column += LANES) {
    let x = position(column, P.scaleX, P.W);
    let left = u32(x);
    let right = min(left + 1u, P.W - 1u);
    for (var row = first; row < last; row++) {
      let y = position(row, P.scaleY, P.H);
      let top = (plane * P.H + u32(y)) * P.W;
      let to = (plane * P.OH + row) * P.OW + column;
      if (NEAREST == 1u) {
        out[to] = x_at(top + left);
      } else {
        let bottom = (plane * P.H + min(u32(y) + 1u, P.H - 1u)) * P.W;
        out[to] = mix(mix(x_at(top + left), x_at(top + right), fract(x)), mix(x_at(bottom + left), x_at(bottom + right), fract(x)), fract(y));
      }
    }
  }
}`,
};

/**
 * As {@link kernel}, over the pixels that were read: each sums over the outputs that read it, without atomics. FOUR: bilinear, and at most
 * four outputs in a row read a pixel.
 */
const gradKernel: Kernel = {
  name: "resizeGrad",
  inputs: [{ name: "g", width: 1 }],
  outWidth: 1,
  params,
  body: /* wgsl */ `${position}
// The first output that looks at a pixel or behind it. The guess is corrected by the function of the forward pass, to the last bit.
fn firstFrom(at: u32, scale: f32, length: u32, outputs: u32) -> u32 {
  var i = min(u32(f32(at) / scale), outputs);
  while (i > 0u && u32(position(i - 1u, scale, length)) >= at) { i--; }
  while (i < outputs && u32(position(i, scale, length)) < at) { i++; }
  return i;
}

// The outputs that read a pixel are neighbours: the first, and one after the last. Bilinear weights vanish at both ends of where they
// lie, so that one more or less by rounding changes nothing there.
fn readers(at: u32, scale: f32, step: u32, length: u32, outputs: u32) -> vec2u {
  if (NEAREST == 1u && step > 0u) { return vec2u(at * step, at * step + step); }
  if (NEAREST == 1u) { return vec2u(firstFrom(at, scale, length, outputs), firstFrom(at + 1u, scale, length, outputs)); }
  let lowest = select(ceil(max((f32(at) - 0.5) / scale - 0.5, 0.0)), 0.0, at == 0u);
  let highest = select(ceil((f32(at) + 1.5) / scale - 0.5), f32(outputs), at == length - 1u);
  return vec2u(u32(lowest), min(u32(highest), outputs));
}

fn weight(i: u32, at: u32, scale: f32, length: u32) -> f32 {
  return max(1.0 - abs(position(i, scale, length) - f32(at)), 0.0);
}

// Of the k-th of the outputs in a row that read a pixel; zero beyond them.
fn weightOf(columns: vec2u, k: u32, x: u32) -> f32 {
  return select(0.0, weight(columns.x + k, x, P.scaleX, P.W), columns.x + k < columns.y);
}

@compute @workgroup_size(LANES)
fn main(@builtin(workgroup_id) group: vec3u, @builtin(num_workgroups) grid: vec3u, @builtin(local_invocation_index) lane: u32) {
  let blocks = (P.H + P.block - 1u) / P.block;
  let tile = group.y * grid.x + group.x;
  let plane = tile / blocks;
  if (plane >= P.planes) { return; }
  let first = tile % blocks * P.block;
  let last = min(first + P.block, P.H);
  for (var x = lane; x < P.W; x += LANES) {
    let columns = readers(x, P.scaleX, P.stepX, P.W, P.OW);
    let four = select(vec4u(), min(vec4u(columns.x) + vec4u(0u, 1u, 2u, 3u), vec4u(P.OW - 1u)), FOUR == 1u);
    let weights = vec4f(weightOf(columns, 0u, x), weightOf(columns, 1u, x), weightOf(columns, 2u, x), weightOf(columns, 3u, x));
    for (var y = first; y < last; y++) {
      let rows = readers(y, P.scaleY, P.stepY, P.H, P.OH);
      var sum = 0.0;
      for (var r = rows.x; r < rows.y; r++) {
        let start = (plane * P.OH + r) * P.OW;
        var across = 0.0;
        if (FOUR == 1u) {
          across = dot(vec4f(g_at(start + four.x), g_at(start + four.y), g_at(start + four.z), g_at(start + four.w)), weights);
        } else {
          for (var c = columns.x; c < columns.y; c++) {
            if (NEAREST == 1u) { across += g_at(start + c); } else { across += g_at(start + c) * weight(c, x, P.scaleX, P.W); }
          }
        }
        if (NEAREST == 1u) { sum += across; } else { sum += across * weight(r, y, P.scaleY, P.H); }
      }
      out[(plane * P.H + y) * P.W + x] = sum;
    }
  }
}`,
};

/** How many outputs in a row read the same pixel, where that is the same number for all; otherwise 0. */
function stepOf(from: number, to: number): number {
  const step = to / from;
  const regular =
    Number.isInteger(step) &&
    Array.from({ length: to }, (_, i) => tapOf("nearest", from, to, i).low).every((at, i) => at === Math.floor(i / step));
  return regular ? step : 0;
}

/** So many workgroups keep any device busy. */
const enough = 4096;

/** Plane by plane. `H × W` is the size that the forward pass reads, `OH × OW` what it makes. */
function byPlanes(kernel: Kernel, call: Call<Resize>, sizes: Record<"H" | "W" | "OH" | "OW", number>): Launch[] {
  const { H, W, OH, OW } = sizes;
  const [b, c, rows, columns] = call.out.layout.shape;
  const LANES = Math.min(64, 8 * Math.ceil(columns / 8));
  const NEAREST = call.attrs.mode === "nearest" ? 1 : 0;
  // Bilinear outputs read a pixel from less than one pixel away on either side.
  const FOUR = !NEAREST && OW <= 2 * W ? 1 : 0;
  const steps = { stepY: stepOf(H, OH), stepX: stepOf(W, OW), scaleY: Math.fround(H / OH), scaleX: Math.fround(W / OW) };
  return byRows(call, b * c, ({ count: planes, x, out }) => {
    const block = Math.ceil((planes * rows) / enough);
    return [
      {
        kernel,
        inputs: [bindDense(x)],
        out: bindDense(out),
        consts: { NEAREST, FOUR, LANES },
        params: { planes, block, ...sizes, ...steps },
        groups: planes * Math.ceil(rows / block),
      },
    ];
  });
}

export const resize: Lowering<Resize> = {
  accepts: (_, lies) => bindable(lies),
  launch(call) {
    const [, , H, W] = call.inputs[0].layout.shape;
    const [OH, OW] = call.attrs.size;
    return byPlanes(kernel, call, { H, W, OH, OW });
  },
};

export const resizeGrad: Lowering<Resize> = {
  accepts: (_, lies) => bindable(lies),
  launch(call) {
    const [, , OH, OW] = call.inputs[0].layout.shape;
    const [H, W] = call.attrs.size;
    return byPlanes(gradKernel, call, { H, W, OH, OW });
  },
};
