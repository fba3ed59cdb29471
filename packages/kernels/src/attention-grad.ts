import { type AttrsOf, expanded } from "@snoopi/core";
import { attentionGradKeyValueLanes, attentionGradQueryLanes } from "./attention/grad-lanes.ts";
import { attentionGradKeyValueThread, attentionGradQueryThread } from "./attention/grad-thread.ts";
import { attentionGradKeyValueTiled, attentionGradQueryTiled } from "./attention/grad-tiled.ts";
import { additive, asTokens, inFours, readsHeads, strides } from "./attention/operands.ts";
import { bind, bindable, bindDense } from "./binding.ts";
import type { Launch } from "./encoder.ts";
import { hasLanes } from "./facts.ts";
import type { Kernel } from "./kernel.ts";
import type { Lowering } from "./lowering.ts";

type Attrs = AttrsOf<"attentionGradQuery">;

/** Most columns of a head that one group computes; wider heads are split over groups, each of which computes the scores again. */
const widest = { lanes: 256, tiled: 96 };

interface Kernels {
  readonly lanes: Kernel;
  readonly tiled: Kernel;
  readonly thread: Kernel;
}

const gradient = (owns: "queries" | "keys", kernels: Kernels): Lowering<Attrs> => ({
  accepts: (index, lies) => index === 5 || (index === 4 ? bindable(lies) : readsHeads(lies.layout)),
  order: (_, [q, k]) => asTokens(owns === "queries" ? q : k),

  launch(call) {
    const {
      attrs,
      inputs: [q, k, v, g, rows, given],
      out,
      extras: [value],
      facts,
    } = call;
    const [batch, heads, Lq, D] = q.layout.shape;
    const Lk = k.layout.shape[2];
    const fours = hasLanes(facts) && inFours([q, k, v, g]);
    const before: Launch[] = [];
    const mask = given && additive(call, { ...given, layout: expanded(given.layout, [batch, heads, Lq, Lk]) }, before);
    const params = {
      ...{ batch, heads, Lq, Lk, D, scale: attrs.scale },
      ...{ ...strides("q", q), ...strides("k", k), ...strides("v", v), ...strides("g", g), ...strides("o", out) },
      mBatch: mask?.layout.strides[0] ?? 0,
      mHead: mask?.layout.strides[1] ?? 0,
      mRow: mask?.layout.strides[2] ?? 0,
      masked: mask ? 1 : 0,
      causal: attrs.causal ? 1 : 0,
    };
    const common = {
      inputs: [bind(q), bind(k), bind(v), bind(g), bindDense(rows), bind(mask ?? q)],
      out: bind(out),
      params,
      ...(value && { extras: [bind(value)] }),
    };
    const length = owns === "queries" ? Lq : Lk;
    if (facts.software && !fours) {
      const threads = batch * heads * length * Math.ceil(D / 16);
      return [...before, { ...common, kernel: kernels.thread, groups: Math.ceil(threads / 64) }];
    }
    const slices = Math.ceil(D / (fours ? widest.lanes : widest.tiled));
    const groups = (own: number) => batch * heads * Math.ceil(length / own) * slices;
    if (fours)
      return [...before, { ...common, kernel: kernels.lanes, consts: { R: 8, C: 2, E: Math.ceil(D / slices / 32) }, groups: groups(8) }];
    return [...before, { ...common, kernel: kernels.tiled, consts: { ACC: Math.ceil(D / slices / 16) }, groups: groups(64) }];
  },
});

export const attentionGradQuery: Lowering<AttrsOf<"attentionGradQuery">> = gradient("queries", {
  lanes: attentionGradQueryLanes,
  tiled: attentionGradQueryTiled,
  thread: attentionGradQueryThread,
});
export const attentionGradKeyValue: Lowering<AttrsOf<"attentionGradKeyValue">> = gradient("keys", {
  lanes: attentionGradKeyValueLanes,
  tiled: attentionGradKeyValueTiled,
  thread: attentionGradKeyValueThread,
});
