import { type Operand, sizeOf } from "@snoopi/core";
import { bindable, bindDense } from "./binding.ts";
import type { Launch } from "./encoder.ts";
import type { Kernel } from "./kernel.ts";
import type { Lowering } from "./lowering.ts";
import { portion, stretches, writing } from "./split.ts";

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

/**
 * One workgroup per block of rows of the result: it scans all ids once, four at a time, and adds the rows that go to its block; a thread
 * keeps to its columns. No atomics, the same order every time, and ids of other blocks cost one comparison per four.
 */
const addUp: Kernel = {
  name: "scatterAdd",
  inputs: [
    { name: "x", width: 1 },
    { name: "ids", width: 4 },
  ],
  outWidth: 1,
  params: ["rows", "block", "first", "total", "width", "count"],
  body: /* wgsl */ `
@compute @workgroup_size(LANES)
fn main(@builtin(workgroup_id) group: vec3u, @builtin(num_workgroups) grid: vec3u, @builtin(local_invocation_index) lane: u32) {
  let start = (group.y * grid.x + group.x) * P.block;
  if (start >= P.rows) { return; }
  let rows = min(P.block, P.rows - start);
  for (var row = start; row < start + rows; row++) {
    for (var c = lane; c < P.width; c += LANES) { out[row * P.width + c] = T(0); }
  }
  for (var q = 0u; q < (P.count + 3u) / 4u; q++) {
    let ids = vec4u(ids_at4(q));
    // Counted from the block's first row, what lies before it is as large as what lies far behind.
    let own = ids - vec4u(P.first + start);
    if (all((own >= vec4u(rows)) & (ids < vec4u(P.total)))) { continue; }
    for (var k = 0u; k < 4u; k++) {
      let j = q * 4u + k;
      if (j >= P.count) { continue; }
      if (ids[k] >= P.total) {
        // No such row: a value that cannot be overlooked.
        if (lane == 0u) { out[start * P.width] = T(bitcast<f32>(0x7fc00000u + P.count * 0u)); }
        continue;
      }
      if (own[k] >= rows) { continue; }
      for (var c = lane; c < P.width; c += LANES) { out[(start + own[k]) * P.width + c] += x_at(j * P.width + c); }
    }
  }
}`,
};

export const embedding: Lowering<void> = {
  accepts: (_, lies) => bindable(lies),
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
  accepts: (_, lies) => bindable(lies),
  launch(call) {
    const [x, ids] = call.inputs;
    const [rows, width] = call.out.layout.shape;
    const { LANES, enough } = call.facts.software ? { LANES: 8, enough: 64 } : { LANES: 64, enough: 1024 };
    return stretches(rows, call.facts.maxBindingBytes / 4 / width).flatMap(({ first, count }) =>
      writing(call, portion(call.out, first * width, [count, width]), (out) => {
        const block = Math.ceil(count / enough);
        return [
          {
            kernel: addUp,
            inputs: [bindDense(x), bindDense(ids)],
            out: bindDense(out),
            consts: { LANES },
            params: { rows: count, block, first, total: rows, width, count: sizeOf(ids.layout.shape) },
            groups: Math.ceil(count / block),
          },
        ];
      }),
    );
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
  const element = dtype === "f16" ? 2 : 4;
  const [start, bytes] = [layout.offset * element, width * element];
  // A binding starts at a multiple of 256 bytes: the fewest whole rows that make one.
  const step = 256 / gcd(256, bytes);
  const most = Math.max(step, Math.floor(limit / bytes / step) * step);
  return Array.from({ length: Math.ceil(rows / most) }, (_, i) => {
    const first = i * most;
    const count = Math.min(most, rows - first);
    return { first, count, offset: start + first * bytes, bytes: Math.ceil((count * bytes) / 4) * 4 };
  });
}

const gcd = (a: number, b: number): number => (b === 0 ? a : gcd(b, a % b));
