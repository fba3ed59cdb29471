import { type AttrsOf, expanded } from "@snoopi/core";
import { attentionLanes, attentionLanesSaving } from "./attention/lanes.ts";
import { additive, asTokens, inFours, readsHeads, strides, widest } from "./attention/operands.ts";
import { attentionThread, attentionThreadSaving } from "./attention/thread.ts";
import { attentionTiled, attentionTiledSaving } from "./attention/tiled.ts";
import { bind, bindDense } from "./binding.ts";
import type { Launch } from "./encoder.ts";
import { hasLanes } from "./facts.ts";
import type { Lowering } from "./lowering.ts";

export const attention: Lowering<AttrsOf<"attention">> = {
  accepts: (index, { layout }) => index === 3 || readsHeads(layout),
  order: (index, [q]) => (index === 0 ? asTokens(q) : undefined),

  launch(call) {
    const {
      attrs,
      inputs: [q, k, v, given],
      out,
      extras: [saved],
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
    const common = {
      inputs: [bind(q), bind(k), bind(v), bind(mask ?? q)],
      out: bind(out),
      params,
      ...(saved && { extras: [bindDense(saved)] }),
    };
    const consts = { MASK: mask ? 1 : 0, CAUSAL: attrs.causal ? 1 : 0 };
    const groups = (rows: number, columns: number) => batch * heads * Math.ceil(Lq / rows) * Math.ceil(D / columns);
    if (hasLanes(facts) && inFours([q, k, v])) {
      const E = D <= widest ? Math.ceil(D / 32) : 8;
      const kernel = saved ? attentionLanesSaving : attentionLanes;
      return [...before, { ...common, kernel, consts: { R: 8, C: 2, E, ...consts }, groups: groups(8, 32 * E) }];
    }
    if (facts.software) {
      const kernel = saved ? attentionThreadSaving : attentionThread;
      const threads = batch * heads * Lq * Math.ceil(D / widest);
      return [...before, { ...common, kernel, consts: { WIDTH: widest, ...consts }, groups: Math.ceil(threads / 64) }];
    }
    const ACC = D <= widest ? Math.ceil(D / 16) : 8;
    const kernel = saved ? attentionTiledSaving : attentionTiled;
    return [...before, { ...common, kernel, consts: { ACC, ...consts }, groups: groups(64, 16 * ACC) }];
  },
};
