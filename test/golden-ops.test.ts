import { readFileSync } from "node:fs";
import { join } from "node:path";
import {
  attention,
  conv2d,
  createCpu,
  data,
  embedding,
  fromData,
  gelu,
  groupNorm,
  layerNorm,
  quickGelu,
  resize,
  silu,
  softmax,
  type Tensor,
  vjp,
} from "@snoopi/core";
import { describe, expect, test } from "vitest";
import { safetensors } from "./oracles/safetensors.ts";

// Values and gradients of PyTorch in f64, see golden/README.md.

interface Case {
  readonly name: string;
  readonly op: string;
  readonly options: any;
  readonly inputs: readonly string[];
  readonly gradients: readonly string[];
}

const folder = join(import.meta.dirname, "golden");
const { cases } = JSON.parse(readFileSync(join(folder, "ops.json"), "utf8")) as { cases: Case[] };
const device = createCpu();
const tensors = safetensors(readFileSync(join(folder, "ops.safetensors")));
const golden = (name: string): Tensor => fromData(tensors[name].data, { ...tensors[name], device });

const call: Record<string, (t: Record<string, Tensor>, options: any) => Tensor> = {
  conv2d: ({ x, weight, bias }, { stride, padding }) => conv2d(x, weight, { stride, padding, ...(bias && { bias }) }),
  groupNorm: ({ x, weight, bias }, { groups, eps }) => groupNorm(x, groups, { eps, weight, bias }),
  layerNorm: ({ x, weight, bias }, { eps }) => layerNorm(x, { eps, weight, bias }),
  softmax: ({ x }, { dim }) => softmax(x, { axis: dim }),
  attention: ({ query, key, value, mask }, { causal, scale }) =>
    attention(query, key, value, { ...(mask && { mask }), ...(scale && { scale }), ...(causal && { causal }) }),
  gelu: ({ x }) => gelu(x),
  geluTanh: ({ x }) => gelu(x, { approximate: "tanh" }),
  geluQuick: ({ x }) => quickGelu(x),
  silu: ({ x }) => silu(x),
  interpolate: ({ x }, { size, mode }) => resize(x, size, { mode }),
  embedding: ({ weight, ids }) => embedding(weight, ids),
};

/**
 * Both sides round in f64, over sums of fewer than 1000 terms of size 10 at most: 10 · 1000 · 2⁻⁵³ ≈ 1e-12. PyTorch takes the positions of
 * a bilinear resize in f64, we as it does in f32, which moves a mix by 2⁻²⁴ of the axis.
 */
const tolerance = (op: string): number => (op === "interpolate" ? 13 * 2 ** -24 * 10 : 1e-11);

async function expectClose(got: Tensor, want: Tensor, limit: number): Promise<void> {
  expect(got.shape).toEqual(want.shape);
  const [a, b] = [await data(got), await data(want)];
  a.forEach((v: number, i: number) => {
    expect(Math.abs(v - b[i]), `element ${i}: ${v} ≠ ${b[i]}`).toBeLessThanOrEqual(limit * (1 + Math.abs(b[i])));
  });
}

describe.each(cases)("$name", ({ name, op, options, inputs, gradients }) => {
  const all = () => Object.fromEntries(inputs.map((key) => [key, golden(`${name}.in.${key}`)]));

  test("has PyTorch's value and gradients", async () => {
    const fixed = all();
    const primals = Object.fromEntries(gradients.map((key) => [key, fixed[key]]));
    const [out, pull] = vjp((moving: typeof primals) => call[op]({ ...fixed, ...moving }, options), primals);
    await expectClose(out, golden(`${name}.out`), tolerance(op));
    const found = pull(golden(`${name}.upstream`));
    for (const key of gradients) await expectClose(found[key], golden(`${name}.grad.${key}`), tolerance(op));
  });
});
