import { collapsed, dense, elementwiseOps, type Layout, type Operand, type Placement, sizeOf } from "@snoopi/core";
import { bindable, bindDense, bindStretch, fits } from "./binding.ts";
import { copyLaunches } from "./copy.ts";
import { elementwiseLaunches } from "./elementwise.ts";
import type { Launch } from "./encoder.ts";
import type { Call, Lowering } from "./lowering.ts";
import { maxAxes, reduceStrided, type Walk, walks } from "./reduce/strided.ts";
import { reduceThread } from "./reduce/thread.ts";
import { reduceTree } from "./reduce/tree.ts";
import { writing } from "./split.ts";

type Kind = "sum" | "amax";

/** What every step of a reduction needs to know. */
type Room = Pick<Call<unknown>, "facts" | "temporary"> & { readonly kind: Kind };

export const reduction = (kind: Kind): Lowering<{ axes: readonly number[] }> => ({
  accepts: () => true,
  launch: ({ inputs: [x], attrs: { axes }, out, facts, temporary }) => reduce({ kind, facts, temporary }, x, axes, out),
});

/** Folds `axes` of x into `out`, which keeps them with length one: at once if both fit into a binding, otherwise in halves. */
function reduce(room: Room, x: Operand, axes: readonly number[], out: Operand): Launch[] {
  const limit = room.facts.maxBindingBytes;
  if (!fits(x, limit)) return inHalves(room, x, axes, out, outermost(x.layout));
  if (!fits(out, limit)) return inHalves(room, x, axes, out, outermost(out.layout));
  return writing(room, out, (target) => whole(room, x, axes, target));
}

/** The axis with the largest stride, of those longer than one. */
const outermost = ({ shape, strides }: Layout): number =>
  shape.reduce((best, d, i) => (d > 1 && (shape[best] === 1 || strides[i] > strides[best]) ? i : best), 0);

/** Halves of a kept axis have results of their own; those of a folded one are folded together. */
function inHalves(room: Room, x: Operand, axes: readonly number[], out: Operand, axis: number): Launch[] {
  const length = x.layout.shape[axis];
  const middle = Math.ceil(length / 2);
  const halves: [from: number, to: number][] = [
    [0, middle],
    [middle, length],
  ];
  if (!axes.includes(axis)) return halves.flatMap((h) => reduce(room, half(x, axis, ...h), axes, half(out, axis, ...h)));
  const results = halves.map(() => room.temporary({ shape: out.layout.shape, dtype: out.dtype }));
  const term = {
    kind: "call",
    op: room.kind === "sum" ? elementwiseOps.add : elementwiseOps.maximum,
    args: [0, 1].map((index) => ({ kind: "input", index, dtype: out.dtype }) as const),
    dtype: out.dtype,
  } as const;
  return [
    ...halves.flatMap((h, i) => reduce(room, half(x, axis, ...h), axes, results[i])),
    ...elementwiseLaunches(room.facts, { term, constants: [] }, results, out, { part: true }),
  ];
}

const half = ({ layout: { shape, strides, offset }, ...x }: Operand, axis: number, from: number, to: number): Operand => ({
  ...x,
  layout: { shape: shape.map((d, i) => (i === axis ? to - from : d)), strides, offset: offset + from * strides[axis] },
});

/** As {@link reduce}, for operands that fit into a binding. */
function whole(room: Room, x: Operand, axes: readonly number[], out: Operand): Launch[] {
  const { layout } = x;
  const block = blockOf(x, axes);
  if (block) return contiguous(room, { ...x, layout: { ...dense(block), offset: layout.offset } }, out);
  const inner = trailing(axes);
  const outer = axes.filter((a) => !inner.includes(a));
  if (outer.length && sizeOf(inner.map((i) => layout.shape[i])) >= worthPass && blockOf(x, inner)) {
    // Images and pixels, as in a bias's gradient: fold the pixels first, which are contiguous.
    const between = room.temporary({ shape: layout.shape.map((d, i) => (inner.includes(i) ? 1 : d)), dtype: out.dtype });
    return [...whole(room, x, inner, between), ...whole(room, between, outer, out)];
  }
  const rest = others(layout, axes);
  const [kept, gone] = [walk(layout, rest), walk(layout, axes)];
  if (kept.shape.length <= maxAxes && gone.shape.length <= maxAxes) return strided(room, x, kept, gone, out);
  return viaCopy(room, x, rest, axes, out);
}

/** Fewest elements per output that are worth a pass of their own. */
const worthPass = 16;

/** The run of consecutive axes that ends with the last one. */
const trailing = (axes: readonly number[]): number[] => axes.filter((a, i) => axes[axes.length - 1] - a === axes.length - 1 - i);

const others = ({ shape }: Layout, axes: readonly number[]): number[] => shape.flatMap((_, i) => (axes.includes(i) ? [] : [i]));

/** Some axes of a layout, contiguous ones merged. */
function walk({ shape, strides }: Layout, axes: readonly number[]): Walk {
  const found = collapsed(
    axes.map((i) => shape[i]),
    [axes.map((i) => strides[i])],
  );
  return { shape: found.shape, strides: found.strides[0] };
}

type Block = readonly [outer: number, length: number, inner: number];

/**
 * The layout as [outer, length, inner] without gaps, `axes` being the length; undefined where it is not of that form or no binding may
 * start there.
 */
function blockOf({ layout, dtype }: Placement, axes: readonly number[]): Block | undefined {
  const gone = walk(layout, axes);
  if (gone.shape.length !== 1 || !bindable({ layout: { ...dense([]), offset: layout.offset }, dtype })) return undefined;
  const [length, inner] = [gone.shape[0], gone.strides[0]];
  if (length <= 1) return undefined;
  const { shape, strides } = walk(layout, others(layout, axes));
  const last = shape.length - 1;
  const [size, step] = [shape[last], strides[last]];
  if (last === 1) return inner === size && step === 1 && strides[0] === length * inner ? [shape[0], length, inner] : undefined;
  if (last > 1) return undefined;
  if (inner === 1 && (size === 1 || step === length)) return [size, length, 1];
  return inner === size && step === 1 ? [1, length, inner] : undefined;
}

/** Up to this length one thread or workgroup folds an output; longer ones are cut into chunks of about {@link chunkSize}. */
const undivided = 4096;
const chunkSize = 1024;

/** So many partial results keep any device busy. */
const enough = 65536;

/** Rows shorter than this would leave most of a workgroup idle. */
const shortRow = 64;

function contiguous(room: Room, x: Operand, out: Operand): Launch[] {
  const [outer, length, inner] = x.layout.shape;
  const chunk = Math.ceil(length / partsOf(outer * inner, length));
  const splits = Math.ceil(length / chunk);
  const tree = !room.facts.software && inner === 1 && length >= shortRow;
  return inPasses(room, { outer, splits, inner }, out, (target) => ({
    kernel: tree ? reduceTree : reduceThread,
    inputs: [bindDense(x)],
    out: bindDense(target),
    consts: { MAX: room.kind === "amax" ? 1 : 0 },
    params: tree ? { rows: outer, length, splits, chunk } : { outer, length, inner, splits, chunk },
    groups: tree ? outer * splits : Math.ceil((outer * splits * inner) / 64),
  }));
}

function strided(room: Room, x: Operand, kept: Walk, gone: Walk, out: Operand): Launch[] {
  const [outputs, length] = [sizeOf(kept.shape), sizeOf(gone.shape)];
  const parts = partsOf(outputs, length);
  const { bound, first } = bindStretch(x, room.facts.maxBindingBytes);
  return inPasses(room, { outer: outputs, splits: parts, inner: 1 }, out, (target) => ({
    kernel: reduceStrided,
    inputs: [bound],
    out: bindDense(target),
    consts: { MAX: room.kind === "amax" ? 1 : 0 },
    params: { outputs, parts, length, offset: x.layout.offset - first, ...walks(kept, gone) },
    groups: Math.ceil((outputs * parts) / 64),
  }));
}

const partsOf = (outputs: number, length: number): number =>
  length <= undivided ? 1 : Math.max(1, Math.min(Math.ceil(length / chunkSize), Math.floor(enough / outputs)));

/** One launch, or one that leaves partial results and more that fold those. */
function inPasses(
  room: Room,
  { outer, splits, inner }: { outer: number; splits: number; inner: number },
  out: Operand,
  launch: (target: Operand) => Launch,
): Launch[] {
  if (splits === 1) return [launch(out)];
  const partial = room.temporary({ shape: [outer, splits, inner], dtype: out.dtype });
  return [launch(partial), ...contiguous(room, partial, out)];
}

/** Axes that alternate too often to walk: copies with the folded ones last, then folds. */
function viaCopy(room: Room, x: Operand, rest: readonly number[], axes: readonly number[], out: Operand): Launch[] {
  const order = [...rest, ...axes];
  const { shape, strides, offset } = x.layout;
  const layout: Layout = { shape: order.map((i) => shape[i]), strides: order.map((i) => strides[i]), offset };
  const outputs = sizeOf(rest.map((i) => shape[i]));
  const copy = room.temporary({ shape: layout.shape, dtype: x.dtype === "f16" ? "f32" : x.dtype });
  return [
    ...copyLaunches(room.facts, { ...x, layout }, copy),
    ...reduce(room, { ...copy, layout: dense([outputs, sizeOf(axes.map((i) => shape[i]))]) }, [1], {
      ...out,
      layout: { ...dense([outputs, 1]), offset: out.layout.offset },
    }),
  ];
}
