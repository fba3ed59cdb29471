import {
  add,
  attention,
  conv2d,
  data,
  gelu,
  groupNorm,
  item,
  keep,
  layerNorm,
  linear,
  matmul,
  realize,
  reshape,
  scope,
  slice,
  softmax,
  type Tensor,
  tensor,
} from "@snoopi/core";
import { webgpu } from "@snoopi/kernels/node";
import type { Problem } from "./cases.ts";
import type { Library, Prepared } from "./library.ts";

/** This project, on the adapter. */
export async function open(): Promise<Library> {
  const device = await webgpu();
  return {
    version: device.description,
    async prepare(problem, inputs) {
      const shapes = shapesOf(problem);
      const tensors = inputs.map((values, i) =>
        keep(tensor(values, { shape: shapes[i], dtype: problem.op === "linear" && i === 1 ? "f16" : "f32", device })),
      );
      const once = () => keep(scope(() => compute(problem, tensors)));
      return {
        async run(times) {
          const results = Array.from({ length: times }, once);
          await realize(results);
          await scope(() => item(slice(reshape(results[times - 1], [-1]), [[0, 1]])));
          for (const result of results) result.dispose();
        },
        async output() {
          const result = once();
          const values = await data(result);
          result.dispose();
          return values;
        },
        free() {
          for (const t of tensors) t.dispose();
          device.trim();
        },
      } satisfies Prepared;
    },
  };
}

function shapesOf(p: Problem): readonly (readonly number[])[] {
  switch (p.op) {
    case "matmul":
      return [
        [p.m, p.k],
        [p.k, p.n],
      ];
    case "linear":
      return [
        [p.rows, p.in],
        [p.out, p.in],
      ];
    case "conv2d":
      return [
        [1, p.in, p.h, p.w],
        [p.out, p.in, 3, 3],
      ];
    case "attention":
      return [
        [1, p.heads, p.queries, p.dim],
        [1, p.heads, p.keys, p.dim],
        [1, p.heads, p.keys, p.dim],
      ];
    case "add":
      return [[p.n], [p.n]];
    case "gelu":
      return [[p.n]];
    case "softmax":
      return [[p.rows, p.length]];
    case "layerNorm":
      return [[p.rows, p.length], [p.length], [p.length]];
    case "groupNorm":
      return [[1, p.channels, p.h, p.w], [p.channels], [p.channels]];
  }
}

function compute(p: Problem, [a, b, c]: readonly Tensor[]): Tensor {
  switch (p.op) {
    case "matmul":
      return matmul(a, b);
    case "linear":
      return linear(a, b);
    case "conv2d":
      return conv2d(a, b, { padding: 1 });
    case "attention":
      return attention(a, b, c);
    case "add":
      return add(a, b);
    case "gelu":
      return gelu(a, { approximate: "tanh" });
    case "softmax":
      return softmax(a);
    case "layerNorm":
      return layerNorm(a, { weight: b, bias: c });
    case "groupNorm":
      return groupNorm(a, p.groups, { weight: b, bias: c });
  }
}
