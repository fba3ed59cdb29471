import { elementwiseOps, expanded, type Layout, type Operand } from "@snoopi/core";
import { copyLaunches } from "../copy.ts";
import { elementwiseLaunches } from "../elementwise.ts";
import type { Launch } from "../encoder.ts";
import type { Call } from "../lowering.ts";

/** Widest head that one group always computes whole; wider ones may be split over groups, each of which computes the scores again. */
export const widest = 160;

/** Heads split from [B, L, H·D] are read where they lie, as long as a head's width is contiguous. */
export const readsHeads = ({ strides, shape, offset }: Layout): boolean => (strides[3] === 1 || shape[3] === 1) && offset === 0;

/** Order of a result that gives it the layout of its operand: heads split from tokens, and their gradients, join again without a copy. */
export const asTokens = ({ strides: [, head, token], shape: [, heads, tokens] }: Layout): readonly number[] | undefined =>
  heads > 1 && tokens > 1 && head < token ? [0, 2, 1, 3] : undefined;

/** Whether heads can be read four numbers at a time. */
export const inFours = (heads: readonly Operand[]): boolean =>
  heads.every(({ layout: { shape, strides } }) => shape[3] % 4 === 0 && strides.slice(0, 3).every((s) => s % 4 === 0));

/** The strides of an operand as parameters. */
export const strides = (name: string, { layout }: Operand) => ({
  [`${name}Batch`]: layout.strides[0],
  [`${name}Head`]: layout.strides[1],
  [`${name}Token`]: layout.strides[2],
});

/** The mask as numbers to add (false becomes −∞), with contiguous keys and offset 0. */
export function additive({ temporary, facts }: Call<unknown>, mask: Operand, before: Launch[]): Operand {
  const usable = mask.dtype !== "bool" && mask.layout.offset === 0 && mask.layout.strides[3] === 1;
  if (usable) return mask;
  // Broadcast axes are not expanded, except the keys.
  const kept = mask.layout.shape.map((d, i) => (mask.layout.strides[i] === 0 && i !== 3 ? 1 : d));
  const out = temporary({ shape: kept, dtype: "f32" });
  const source: Operand = { ...mask, layout: { ...mask.layout, shape: kept } };
  if (mask.dtype === "bool") {
    const number = (index: number) => ({ kind: "constant", index, dtype: "f32" }) as const;
    const choose = {
      kind: "call",
      op: elementwiseOps.where,
      args: [{ kind: "input", index: 0, dtype: "bool" }, number(0), number(1)],
      dtype: "f32",
    } as const;
    before.push(...elementwiseLaunches(facts, { term: choose, constants: [0, Number.NEGATIVE_INFINITY] }, [source], out));
  } else {
    before.push(...copyLaunches(facts, source, out));
  }
  const layout: Layout = expanded(out.layout, mask.layout.shape);
  return { ...out, layout };
}
