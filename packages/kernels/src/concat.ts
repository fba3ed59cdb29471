import { collapsed, dense, type Operand, sizeOf } from "@snoopi/core";
import { bindStretch, fits } from "./binding.ts";
import { copyLaunches } from "./copy.ts";
import type { Launch } from "./encoder.ts";
import type { Kernel } from "./kernel.ts";
import type { Call, Lowering } from "./lowering.ts";

/** Threads of a workgroup: as many as every device allows. */
const threads = 256;

/** An input as rows, one for every index of the axes before the joined one, and where they start in the result's rows. */
interface Piece {
  readonly x: Operand;
  readonly length: number;
  /** Elements between rows. */
  readonly pitch: number;
  readonly start: number;
}

/** Joins inputs whose rows are contiguous, as many per launch as a kernel can read; copies others into their place one by one. */
export const concat: Lowering<{ axis: number }> = {
  accepts: () => true,
  launch({ attrs: { axis }, inputs, out, facts }) {
    const whole = dense(out.layout.shape);
    const rows = sizeOf(whole.shape.slice(0, axis));
    const inner = whole.strides[axis];
    const width = whole.shape[axis] * inner;
    const launches: Launch[] = [];
    const groups = { 4: [] as Piece[], 1: [] as Piece[] };
    let at = 0;
    for (const x of inputs) {
      const start = at * inner;
      at += x.layout.shape[axis];
      if (sizeOf(x.layout.shape) === 0) continue;
      const pitch =
        x.dtype === out.dtype && x.dtype !== "f16" && [x, out].every((t) => fits(t, facts.maxBindingBytes)) ? pitchOf(x, axis) : undefined;
      if (pitch === undefined) {
        launches.push(...copyLaunches(facts, x, out, { shape: x.layout.shape, strides: whole.strides, offset: start }));
        continue;
      }
      const piece = { x, length: x.layout.shape[axis] * inner, pitch, start };
      const fours = [piece.length, start, x.layout.offset, ...(rows > 1 ? [pitch, width] : [])].every((n) => n % 4 === 0);
      groups[fours ? 4 : 1].push(piece);
    }
    for (const lanes of [4, 1] as const) {
      const pieces = groups[lanes];
      for (let i = 0; i < pieces.length; i += facts.maxInputs) {
        launches.push(joining({ out, facts }, { pieces: pieces.slice(i, i + facts.maxInputs), lanes, rows, width }));
      }
    }
    return launches;
  },
};

/** Elements between the rows of an operand, or undefined where its rows are not contiguous or not evenly apart. */
function pitchOf({ layout: { shape, strides } }: Operand, axis: number): number | undefined {
  const [before, row] = [[0, axis], [axis]].map(([from, to]) => collapsed(shape.slice(from, to), [strides.slice(from, to)]));
  if (before.shape.length > 1 || row.shape.length > 1 || (row.shape[0] > 1 && row.strides[0][0] !== 1)) return undefined;
  return before.strides[0][0];
}

interface Joining {
  readonly pieces: readonly Piece[];
  readonly lanes: 1 | 4;
  readonly rows: number;
  readonly width: number;
}

/** Everything is counted in reads of `lanes` elements. */
function joining({ out, facts }: Pick<Call<unknown>, "out" | "facts">, { pieces, lanes, rows, width }: Joining): Launch {
  const limit = facts.maxBindingBytes;
  const params: Record<string, number> = { width: width / lanes };
  let end = 0;
  const inputs = pieces.map(({ x, length, pitch, start }, i) => {
    const { bound, first } = bindStretch(x, limit);
    // Minus the elements before it in the group's row, since the kernel adds the place in that row. Negative numbers wrap, and the sum
    // wraps back.
    params[`from${i}`] = (x.layout.offset - first) / lanes - end;
    params[`to${i}`] = start / lanes - end;
    params[`pitch${i}`] = pitch / lanes;
    params[`end${i}`] = end += length / lanes;
    return bound;
  });
  const n = rows * end;
  return {
    kernel: kernelFor(pieces.length, lanes),
    inputs,
    out: bindStretch(out, limit).bound,
    params: { n, row: end, ...params },
    groups: Math.ceil(n / threads),
  };
}

const kernels = new Map<string, Kernel>();

function kernelFor(count: number, lanes: 1 | 4): Kernel {
  const key = `${count} ${lanes}`;
  const found = kernels.get(key);
  if (found) return found;
  const indices = Array.from({ length: count }, (_, i) => i);
  const read = lanes === 4 ? "_at4" : "_at";
  const move = (i: number) => `out[to + P.to${i}] = x${i}${read}(P.from${i} + row * P.pitch${i} + place);`;
  const choose = indices.map((i) => (i < count - 1 ? `if (place < P.end${i}) { ${move(i)} }` : `{ ${move(i)} }`)).join(" else ");
  const kernel: Kernel = {
    name: `concat ${key}`,
    inputs: indices.map((i) => ({ name: `x${i}`, width: lanes })),
    outWidth: lanes,
    params: ["n", "row", "width", ...indices.flatMap((i) => [`from${i}`, `to${i}`, `pitch${i}`, `end${i}`])],
    body: `
@compute @workgroup_size(${threads})
fn main(@builtin(workgroup_id) group: vec3u, @builtin(num_workgroups) grid: vec3u, @builtin(local_invocation_index) lane: u32) {
  let i = (group.y * grid.x + group.x) * ${threads}u + lane;
  if (i >= P.n) { return; }
  let row = i / P.row;
  let place = i % P.row;
  let to = row * P.width + place;
  ${choose}
}`,
  };
  kernels.set(key, kernel);
  return kernel;
}
