import { dense, type Operand, type Shape, sizeOf } from "@snoopi/core";
import { bindable } from "./binding.ts";
import { copyLaunches } from "./copy.ts";
import type { Launch } from "./encoder.ts";
import type { Call } from "./lowering.ts";

// Tensors larger than one binding are worked on in parts, each a call of its own.

type Room = Pick<Call<unknown>, "facts" | "temporary">;

/** Elements of a dense operand from `first` on, with a shape of their own. */
export const portion = (x: Operand, first: number, shape: Shape): Operand => ({
  ...x,
  layout: { ...dense(shape), offset: x.layout.offset + first },
});

/** A portion to read: where it lies, or copied if no binding can start there. */
export function readable(call: Room, x: Operand, before: Launch[]): Operand {
  if (bindable(x)) return x;
  const copy = call.temporary({ shape: x.layout.shape, dtype: x.dtype === "f16" ? "f32" : x.dtype });
  before.push(...copyLaunches(call.facts, x, copy));
  return copy;
}

/** Calls `launch` on a portion to write: where it lies, or beside it with a copy after. */
export function writing(call: Room, out: Operand, launch: (target: Operand) => readonly Launch[]): Launch[] {
  if (bindable(out)) return [...launch(out)];
  const beside = call.temporary({ shape: out.layout.shape, dtype: out.dtype });
  return [...launch(beside), ...copyLaunches(call.facts, beside, out, out.layout)];
}

/** `[0, n)` in the fewest equal stretches of at most `most`, which is at least one. */
export function stretches(n: number, most: number): { first: number; count: number }[] {
  const parts = Math.ceil(n / Math.max(1, Math.floor(most)));
  const each = Math.ceil(n / parts);
  return Array.from({ length: Math.ceil(n / each) }, (_, i) => ({ first: i * each, count: Math.min(each, n - i * each) }));
}

/**
 * Launches an op that maps `rows` independent rows of the first input to as many of the output, in as many parts as the limit requires.
 * `launch` gets the number of rows, the index of the first and both portions, each as a list of rows.
 */
export function byRows(
  call: Call<unknown>,
  rows: number,
  launch: (part: { first: number; count: number; x: Operand; out: Operand }) => readonly Launch[],
): Launch[] {
  const [x] = call.inputs;
  const { out, facts } = call;
  const [wide, deep] = [x, out].map((t) => sizeOf(t.layout.shape) / rows);
  return stretches(rows, facts.maxBindingBytes / 4 / Math.max(wide, deep)).flatMap(({ first, count }) => {
    const before: Launch[] = [];
    const from = readable(call, portion(x, first * wide, [count, wide]), before);
    return [
      ...before,
      ...writing(call, portion(out, first * deep, [count, deep]), (target) => launch({ first, count, x: from, out: target })),
    ];
  });
}
