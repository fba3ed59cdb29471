import { type Operand, sizeOf } from "@snoopi/core";
import type { Launch } from "./encoder.ts";
import type { Call } from "./lowering.ts";
import { portion, readable, stretches, writing } from "./split.ts";

/** The same rows of the first two inputs: a cotangent and what it belongs to. */
export interface PairOfRows {
  readonly first: number;
  readonly count: number;
  readonly g: Operand;
  readonly x: Operand;
  /** Copies that `g` and `x` need. */
  readonly before: readonly Launch[];
}

/** `rows` of the first two inputs, in as few parts as the binding limit allows; `most`: words per row of any other operand. */
export function pairsOfRows({ inputs: [g, x], facts, temporary }: Call<unknown>, rows: number, most = 0): PairOfRows[] {
  const wide = (t: Operand) => sizeOf(t.layout.shape) / rows;
  return stretches(rows, facts.maxBindingBytes / 4 / Math.max(wide(g), wide(x), most)).map(({ first, count }) => {
    const before: Launch[] = [];
    const part = (t: Operand) => readable({ facts, temporary }, portion(t, first * wide(t), [count, wide(t)]), before);
    return { first, count, g: part(g), x: part(x), before };
  });
}

/** As `byRows`, for an op that reads the same row of two inputs. */
export function byPairsOfRows(
  call: Call<unknown>,
  rows: number,
  launch: (part: PairOfRows & { readonly out: Operand }) => readonly Launch[],
): Launch[] {
  const deep = sizeOf(call.out.layout.shape) / rows;
  return pairsOfRows(call, rows, deep).flatMap((part) => [
    ...part.before,
    ...writing(call, portion(call.out, part.first * deep, [part.count, deep]), (out) => launch({ ...part, out })),
  ]);
}
