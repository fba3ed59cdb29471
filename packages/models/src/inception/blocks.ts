import { concat, type Tensor } from "@snoopi/core";
import type { Params } from "../params.ts";
import { convNormRelu, type Folded } from "./layer.ts";
import { averagePool, maxPoolHalf, maxPoolSame } from "./pool.ts";

type Run = (x: Tensor) => Tensor;

/** Name, channels out and window. At stride 1 the size is kept, at stride 2 nothing is padded. */
type Row = readonly [name: string, out: number, h: number, w: number, stride?: 2];
/** Rows in sequence; a list of rows at the end runs in parallel. */
type Branch = readonly (Row | readonly Row[])[];

/** A block: branches over the same input, joined along the channels in this order, and a pool last. */
export interface Block {
  readonly branches: readonly Branch[];
  readonly pool: Run;
  /** Channels of a 1 × 1 convolution after the pool. Absent, there is none. */
  readonly pooled?: number;
}

/** At 35 × 35: 1 × 1, 5 × 5, two 3 × 3. */
export const blockA = (pooled: number): Block => ({
  branches: [
    [["branch1x1", 64, 1, 1]],
    [
      ["branch5x5_1", 48, 1, 1],
      ["branch5x5_2", 64, 5, 5],
    ],
    [
      ["branch3x3dbl_1", 64, 1, 1],
      ["branch3x3dbl_2", 96, 3, 3],
      ["branch3x3dbl_3", 96, 3, 3],
    ],
  ],
  pool: averagePool,
  pooled,
});

/** From 35 × 35 to 17 × 17. */
export const blockB: Block = {
  branches: [
    [["branch3x3", 384, 3, 3, 2]],
    [
      ["branch3x3dbl_1", 64, 1, 1],
      ["branch3x3dbl_2", 96, 3, 3],
      ["branch3x3dbl_3", 96, 3, 3, 2],
    ],
  ],
  pool: maxPoolHalf,
};

/** At 17 × 17: 7 × 7 as 1 × 7 and 7 × 1, once and twice. */
export const blockC = (inner: number): Block => ({
  branches: [
    [["branch1x1", 192, 1, 1]],
    [
      ["branch7x7_1", inner, 1, 1],
      ["branch7x7_2", inner, 1, 7],
      ["branch7x7_3", 192, 7, 1],
    ],
    [
      ["branch7x7dbl_1", inner, 1, 1],
      ["branch7x7dbl_2", inner, 7, 1],
      ["branch7x7dbl_3", inner, 1, 7],
      ["branch7x7dbl_4", inner, 7, 1],
      ["branch7x7dbl_5", 192, 1, 7],
    ],
  ],
  pool: averagePool,
  pooled: 192,
});

/** From 17 × 17 to 8 × 8. */
export const blockD: Block = {
  branches: [
    [
      ["branch3x3_1", 192, 1, 1],
      ["branch3x3_2", 320, 3, 3, 2],
    ],
    [
      ["branch7x7x3_1", 192, 1, 1],
      ["branch7x7x3_2", 192, 1, 7],
      ["branch7x7x3_3", 192, 7, 1],
      ["branch7x7x3_4", 192, 3, 3, 2],
    ],
  ],
  pool: maxPoolHalf,
};

/** At 8 × 8. The network for FID has a max pool, not a mean pool, in the last block: a slip when it was trained, and now part of it. */
export const blockE = (pool: "mean" | "largest"): Block => ({
  branches: [
    [["branch1x1", 320, 1, 1]],
    [
      ["branch3x3_1", 384, 1, 1],
      [
        ["branch3x3_2a", 384, 1, 3],
        ["branch3x3_2b", 384, 3, 1],
      ],
    ],
    [
      ["branch3x3dbl_1", 448, 1, 1],
      ["branch3x3dbl_2", 384, 3, 3],
      [
        ["branch3x3dbl_3a", 384, 1, 3],
        ["branch3x3dbl_3b", 384, 3, 1],
      ],
    ],
  ],
  pool: pool === "mean" ? averagePool : maxPoolSame,
  pooled: 192,
});

/** `[B, width, H, W]` through a block, and the channels that come out. */
export function inceptionBlock(p: Params, { width, block, folded }: { width: number; block: Block; folded: Folded[] }) {
  const layer = ([name, out, h, w, stride = undefined]: Row, into: number): Run =>
    convNormRelu(
      p.at(name),
      { width: into, out, kernel: [h, w], ...(stride ? { stride } : { padding: [(h - 1) / 2, (w - 1) / 2] as const }) },
      folded,
    );
  const isRow = (step: Branch[number]): step is Row => typeof step[0] === "string";
  const branches = block.branches.map((steps) => {
    let out = width;
    const runs = steps.map((step): Run => {
      const into = out;
      const rows = isRow(step) ? [step] : step;
      out = rows.reduce((sum, row) => sum + row[1], 0);
      const layers = rows.map((row) => layer(row, into));
      return layers.length === 1
        ? layers[0]
        : (x) =>
            concat(
              layers.map((run) => run(x)),
              { axis: 1 },
            );
    });
    return { out, run: (x: Tensor): Tensor => runs.reduce((h, run) => run(h), x) };
  });
  const { pool, pooled } = block;
  const last = pooled === undefined ? (x: Tensor) => x : layer(["branch_pool", pooled, 1, 1], width);
  return {
    out: branches.reduce((sum, branch) => sum + branch.out, pooled ?? width),
    run: (x: Tensor): Tensor => concat([...branches.map(({ run }) => run(x)), last(pool(x))], { axis: 1 }),
  };
}
