import { type AttrsOf, elementwiseOps, expanded, type Layout, type Operand } from "@snoopi/core";
import { attentionLanes } from "./attention/lanes.ts";
import { attentionTiled } from "./attention/tiled.ts";
import { bind } from "./binding.ts";
import { copyLaunches } from "./copy.ts";
import { elementwiseLaunches } from "./elementwise.ts";
import type { Launch } from "./encoder.ts";
import { hasLanes } from "./facts.ts";
import type { Call, Lowering } from "./lowering.ts";

/** Widest head that one group computes whole; beyond, groups share a head and each computes the scores. */
const widest = 160;

export const attention: Lowering<AttrsOf<"attention">> = {
  // Heads split from [B, L, H·D] are read where they lie, as long as a head's width is contiguous.
  accepts: (index, { strides, shape, offset }) => index === 3 || ((strides[3] === 1 || shape[3] === 1) && offset === 0),

  launch(call) {
    const {
      attrs,
      inputs: [q, k, v, given],
      out,
      facts,
    } = call;
    const [batch, heads, Lq, D] = q.layout.shape;
    const Lk = k.layout.shape[2];
    const before: Launch[] = [];
    const mask = given && additive(call, { ...given, layout: expanded(given.layout, [batch, heads, Lq, Lk]) }, before);
    const params = {
      batch,
      heads,
      Lq,
      Lk,
      D,
      scale: attrs.scale,
      ...strides("q", q),
      ...strides("k", k),
      ...strides("v", v),
      ...strides("o", out),
      mBatch: mask?.layout.strides[0] ?? 0,
      mHead: mask?.layout.strides[1] ?? 0,
      mRow: mask?.layout.strides[2] ?? 0,
    };
    const common = { inputs: [bind(q), bind(k), bind(v), bind(mask ?? q)], out: bind(out), params };
    const consts = { MASK: mask ? 1 : 0, CAUSAL: attrs.causal ? 1 : 0 };
    const fours = D % 4 === 0 && [q, k, v].every((x) => x.layout.strides.slice(0, 3).every((s) => s % 4 === 0));
    if (hasLanes(facts) && fours) {
      const E = D <= widest ? Math.ceil(D / 32) : 8;
      const slices = Math.ceil(D / (32 * E));
      return [
        ...before,
        { ...common, kernel: attentionLanes, consts: { R: 8, C: 2, E, ...consts }, groups: batch * heads * Math.ceil(Lq / 8) * slices },
      ];
    }
    const ACC = D <= widest ? Math.ceil(D / 16) : 8;
    const slices = Math.ceil(D / (16 * ACC));
    return [
      ...before,
      { ...common, kernel: attentionTiled, consts: { ACC, ...consts }, groups: batch * heads * Math.ceil(Lq / 64) * slices },
    ];
  },
};

const strides = (name: string, { layout }: Operand) => ({
  [`${name}Batch`]: layout.strides[0],
  [`${name}Head`]: layout.strides[1],
  [`${name}Token`]: layout.strides[2],
});

/** The mask as numbers to add, its keys contiguous from the start: false becomes −∞. */
function additive({ temporary, facts }: Call<unknown>, mask: Operand, before: Launch[]): Operand {
  const usable = mask.dtype !== "bool" && mask.layout.offset === 0 && mask.layout.strides[3] === 1;
  if (usable) return mask;
  // Only the axes that differ are spelt out, the keys always.
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
