import { type Operand, sizeOf } from "@snoopi/core";
import { bindable, bindDense } from "./binding.ts";
import type { Launch } from "./encoder.ts";
import type { Kernel } from "./kernel.ts";
import type { Lowering } from "./lowering.ts";

/** One thread per element. A table too large for one binding is read in windows of rows: each writes the rows it has. */
const lookUp: Kernel = {
  name: "embedding",
  inputs: [
    { name: "table", width: 1 },
    { name: "ids", width: 1 },
  ],
  outWidth: 1,
  params: ["n", "width", "rows", "first", "count"],
  body: /* wgsl */ `
@compute @workgroup_size(64)
fn main(@builtin(workgroup_id) group: vec3u, @builtin(num_workgroups) grid: vec3u, @builtin(local_invocation_index) lane: u32) {
  let i = (group.y * grid.x + group.x) * 64u + lane;
  if (i >= P.n) { return; }
  let id = u32(ids_at(i / P.width));
  if (id >= P.first && id - P.first < P.count) {
    out[i] = table_at((id - P.first) * P.width + i % P.width);
  } else if (id >= P.rows) {
    // No such row: a value that cannot be overlooked.
    out[i] = T(bitcast<f32>(0x7fc00000u + P.n * 0u));
  }
}`,
};

/** One thread per element of the result, which looks for its id. */
const addUp: Kernel = {
  name: "scatterAdd",
  inputs: [
    { name: "x", width: 1 },
    { name: "ids", width: 1 },
  ],
  outWidth: 1,
  params: ["n", "width", "count"],
  body: /* wgsl */ `
@compute @workgroup_size(64)
fn main(@builtin(workgroup_id) group: vec3u, @builtin(num_workgroups) grid: vec3u, @builtin(local_invocation_index) lane: u32) {
  let i = (group.y * grid.x + group.x) * 64u + lane;
  if (i >= P.n) { return; }
  var sum = T(0);
  for (var j = 0u; j < P.count; j++) {
    if (u32(ids_at(j)) == i / P.width) { sum += x_at(j * P.width + i % P.width); }
  }
  out[i] = sum;
}`,
};

export const embedding: Lowering<void> = {
  accepts: (_, layout) => bindable(layout),
  launch({ inputs: [table, ids], out, facts }) {
    const [rows, width] = table.layout.shape;
    const n = sizeOf(out.layout.shape);
    return windows(table, facts.maxBindingBytes).map(
      ({ first, count, bytes, offset }): Launch => ({
        kernel: lookUp,
        inputs: [{ ...bindDense(table), offset, bytes }, bindDense(ids)],
        out: bindDense(out),
        params: { n, width, rows, first, count },
        groups: Math.ceil(n / 64),
      }),
    );
  },
};

export const scatterAdd: Lowering<{ rows: number }> = {
  accepts: (_, layout) => bindable(layout),
  launch({ inputs: [x, ids], out }) {
    const n = sizeOf(out.layout.shape);
    const params = { n, width: out.layout.shape[1], count: sizeOf(ids.layout.shape) };
    return [{ kernel: addUp, inputs: [bindDense(x), bindDense(ids)], out: bindDense(out), params, groups: Math.ceil(n / 64) }];
  },
};

interface Rows {
  readonly first: number;
  readonly count: number;
  readonly offset: number;
  readonly bytes: number;
}

/** The rows of a table in stretches that fit into a binding and start where WebGPU lets one start. */
function windows({ layout, dtype }: Operand, limit: number): Rows[] {
  const [rows, width] = layout.shape;
  const bytes = width * (dtype === "f16" ? 2 : 4);
  // Starts are multiples of 256 bytes: whole numbers of rows that make one.
  const step = 256 / gcd(256, bytes);
  const most = Math.max(step, Math.floor(limit / bytes / step) * step);
  return Array.from({ length: Math.ceil(rows / most) }, (_, i) => {
    const first = i * most;
    const count = Math.min(most, rows - first);
    return { first, count, offset: first * bytes, bytes: Math.ceil((count * bytes) / 4) * 4 };
  });
}

const gcd = (a: number, b: number): number => (b === 0 ? a : gcd(b, a % b));
