import type { AttrsOf, Shape, Value } from "@snoopi/core";
import { bound, type ElementBound } from "@snoopi/core/testing";
import fc from "fast-check";
import { type Input, type Samples, small } from "./sample.ts";

type Attrs = AttrsOf<"attentionGradQuery">;

const mask = (b: number, h: number, q: number, k: number) =>
  fc.oneof(
    fc.constant([] as Input[]),
    fc
      .tuple(fc.constantFrom<Shape>([q, k], [b, 1, 1, k], [b, h, q, k], [1, k]), fc.boolean())
      .map(([shape, bool]): Input[] => [bool ? { shape, dtype: "bool" } : shape]),
  );

const calls = fc
  .tuple(
    small,
    fc.integer({ min: 1, max: 3 }),
    fc.constantFrom(1, 3, 9, 17, 33),
    fc.constantFrom(1, 5, 8, 17, 35),
    fc.constantFrom(1, 4, 8, 9, 40),
    fc.boolean(),
    fc.constantFrom(0.1, 0.3),
  )
  .chain(([b, h, lq, lk, d, causal, scale]) =>
    mask(b, h, lq, lk).map((masks) => {
      const [q, k] = [
        [b, h, lq, d],
        [b, h, lk, d],
      ];
      return { inputs: [q, k, k, q, [3, b, h, lq], ...masks], attrs: { scale, causal } };
    }),
  );

const largest = (x: Value): number => Array.from(x.data).reduce((most, v) => Math.max(most, Math.abs(v)), 0);

/** The mask's element that is broadcast onto one of the scores. */
function onto({ shape, data }: Value, place: readonly number[]): number {
  const own = place.slice(4 - shape.length);
  return data[shape.reduce((at, n, i) => at * n + (n === 1 ? 0 : own[i]), 0)];
}

/**
 * The sizes of the terms, over keys or over queries: Σ P (Σ|g||v| + |D|) scale, times the largest of what they are multiplied with, and
 * for dv, the further result, Σ P times the largest of g. A term's relative error is that of P, which is the score's absolute error (as for attention) and exp's, and of a sum of d products.
 */
function boundOf(over: "keys" | "queries") {
  return (inputs: readonly Value[], { scale, causal }: Attrs, out: Value, result: number): ElementBound => {
    const [q, k, v, g, rows, mask] = inputs;
    const [b, h, lq, d] = q.shape;
    const lk = k.shape[2];
    const [n, length] = over === "keys" ? [lq, lk] : [lk, lq];
    const sizes = new Float64Array(b * h * n);
    for (let head = 0; head < b * h; head++)
      for (let i = 0; i < lq; i++)
        for (let j = 0; j < (causal ? Math.min(lk, i + 1) : lk); j++) {
          const row = head * lq + i;
          const m = mask ? onto(mask, [Math.floor(head / h), head % h, i, j]) : 0;
          if (mask?.dtype === "bool" && !m) continue;
          let [score, product] = [0, 0];
          for (let c = 0; c < d; c++) {
            const at = (head * lk + j) * d + c;
            score += q.data[row * d + c] * k.data[at];
            product += Math.abs(g.data[row * d + c] * v.data[at]);
          }
          const p = Math.exp(score * scale + (mask?.dtype === "bool" ? 0 : m) - rows.data[row]) * Math.abs(rows.data[b * h * lq + row]);
          sizes[head * n + (over === "keys" ? i : j)] +=
            result === 0 ? p * (product + Math.abs(rows.data[2 * b * h * lq + row])) * scale : p;
        }
    const size = d * largest(q) * largest(k) * scale + (mask && mask.dtype !== "bool" ? largest(mask) : 0) + largest(rows);
    const units = (d + 6) * size + 2 * (3 + 2 * size) + d + length + 8;
    const factor = largest(result > 0 ? g : over === "keys" ? k : q);
    return (i) => bound(out.dtype, units, sizes[Math.floor(i / d)] * factor);
  };
}

const common = { valid: calls, invalid: [], domain: [-1, 1], differences: false } as const;

export const attentionGrad: {
  readonly attentionGradQuery: Samples<Attrs>;
  readonly attentionGradKeyValue: Samples<Attrs>;
} = {
  attentionGradQuery: { ...common, bound: boundOf("keys") },
  attentionGradKeyValue: { ...common, bound: boundOf("queries") },
};
