import { readFileSync } from "node:fs";
import { openBrowserGpu } from "../browser-gpu.ts";
import type { Problem } from "../cases.ts";
import type { Library, Prepared } from "../library.ts";

// The peers are installed only where the benchmark runs: their types are not at hand.
type Any = any;

/** jax-js on WebGPU. */
export async function openJax(): Promise<{ readonly jax: Any; readonly version: string }> {
  openBrowserGpu();
  const name: string = "@jax-js/jax";
  const jax: Any = await import(name);
  await jax.init("webgpu");
  jax.defaultDevice("webgpu");
  const { version } = JSON.parse(readFileSync(new URL("node_modules/@jax-js/jax/package.json", import.meta.url), "utf8"));
  return { jax, version: `@jax-js/jax ${version}` };
}

/** Every problem compiled by its `jit`. */
export async function open(): Promise<Library> {
  const { jax, version } = await openJax();
  return {
    version,
    async prepare(problem, inputs) {
      const [shapes, fn] = formula(jax, problem);
      const { numpy: np } = jax;
      const tensors = inputs.map((values, i) => np.array(values).reshape(shapes[i]));
      await jax.blockUntilReady(tensors);
      const compiled = jax.jit(fn);
      // Operations consume their operands: `ref` keeps them.
      const once = () => compiled(...tensors.map((t: Any) => t.ref));
      const first = (t: Any) => np.ravel(t).slice([0, 1]);
      return {
        async run(times) {
          // Work on an array that is disposed of before it was asked for is never done: all are kept until they are ready.
          const results = await jax.blockUntilReady(Array.from({ length: times }, once));
          await first(results[times - 1].ref).data();
          for (const result of results) result.dispose();
        },
        output: () => once().data(),
        free() {
          for (const t of tensors) t.dispose();
        },
      } satisfies Prepared;
    },
  };
}

function formula({ numpy: np, nn, lax }: Any, p: Problem): [shapes: number[][], fn: (...inputs: Any[]) => Any] {
  const norm = (x: Any, axis: number | number[]) => nn.standardize(x, axis, { epsilon: 1e-5 });
  switch (p.op) {
    case "matmul":
      return [
        [
          [p.m, p.k],
          [p.k, p.n],
        ],
        (a, b) => np.matmul(a, b),
      ];
    case "linear":
      return [
        [
          [p.rows, p.in],
          [p.out, p.in],
        ],
        (x, w) => np.matmul(x, np.matrixTranspose(w)),
      ];
    case "conv2d":
      return [
        [
          [1, p.in, p.h, p.w],
          [p.out, p.in, 3, 3],
        ],
        (x, w) => lax.conv(x, w, [1, 1], "SAME"),
      ];
    case "attention": {
      const kv = [p.heads, p.keys, p.dim];
      return [
        [[p.heads, p.queries, p.dim], kv, kv],
        (q, k, v) => np.matmul(nn.softmax(np.matmul(q, np.matrixTranspose(k)).mul(p.dim ** -0.5), -1), v),
      ];
    }
    case "add":
      return [[[p.n], [p.n]], (a, b) => np.add(a, b)];
    case "gelu":
      return [[[p.n]], (x) => nn.gelu(x, { approximate: true })];
    case "softmax":
      return [[[p.rows, p.length]], (x) => nn.softmax(x, -1)];
    case "layerNorm":
      return [[[p.rows, p.length], [p.length], [p.length]], (x, w, b) => norm(x, -1).mul(w).add(b)];
    case "groupNorm": {
      const [groups, each, pixels] = [p.groups, p.channels / p.groups, p.h * p.w];
      return [
        [
          [groups, each * pixels],
          [groups, each, 1],
          [groups, each, 1],
        ],
        (x, w, b) => norm(x, -1).reshape([groups, each, pixels]).mul(w).add(b),
      ];
    }
  }
}
