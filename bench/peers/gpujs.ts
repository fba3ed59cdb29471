import { readFileSync } from "node:fs";
import { createRequire } from "node:module";
import { openBrowserGpu } from "../browser-gpu.ts";
import type { Problem } from "../cases.ts";
import type { Library, Prepared } from "../library.ts";

// The peers are installed only where the benchmark runs: their types are not at hand.
type Any = any;

/** gpu.js in its webgpu mode. It has no ops: these are kernels as its documentation writes them, passed as text, which it parses. */
export async function open(): Promise<Library> {
  openBrowserGpu();
  const { GPU, input } = createRequire(import.meta.url)("gpu.js");
  const gpu = new GPU({ mode: "webgpu" });
  const { version } = JSON.parse(readFileSync(new URL("node_modules/gpu.js/package.json", import.meta.url), "utf8"));
  return {
    version: `gpu.js ${version}, webgpu`,
    async prepare(problem, inputs) {
      const kernels: Any[] = [];
      const kernel: MakeKernel = (output, constants, body) => {
        const made = gpu.createKernel(body, { output, constants, pipeline: true, loopMaxIterations: 1e6 });
        kernels.push(made);
        return made;
      };
      const { shapes, compute } = program(problem, kernel);
      // A kernel that copies brings inputs into buffers on the adapter.
      const handles: Any[] = [];
      for (const [i, values] of inputs.entries()) {
        const copy =
          shapes[i].length === 1 ? "function (x) { return x[this.thread.x]; }" : "function (x) { return x[this.thread.y][this.thread.x]; }";
        handles.push(await kernel(shapes[i], {}, copy)(input(values, shapes[i])));
      }
      const one = gpu.createKernel(
        problem.op === "add" || problem.op === "gelu" ? "function (x) { return x[0]; }" : "function (x) { return x[0][0]; }",
        { output: [1] },
      );
      kernels.push(one);
      return {
        async run(times) {
          let last: Any;
          for (let i = 0; i < times; i++) last = await compute(handles);
          return one(last);
        },
        async output() {
          const rows = await (await compute(handles)).toArray();
          return rows instanceof Float32Array ? rows : Float32Array.from((rows as Float32Array[]).flatMap((row) => [...row]));
        },
        free() {
          for (const k of kernels) k.destroy();
        },
      } satisfies Prepared;
    },
  };
}

type Kernel = (...inputs: Any[]) => Promise<Any>;
type MakeKernel = (output: number[], constants: Readonly<Record<string, number>>, body: string) => Kernel;

/** Sizes are gpu.js': fastest axis first. */
interface Program {
  readonly shapes: number[][];
  readonly compute: (handles: readonly Any[]) => Promise<Any>;
}

/** Row y of a times column x of b. */
const product = `function (a, b) {
  let sum = 0;
  for (let k = 0; k < this.constants.k; k++) { sum += a[this.thread.y][k] * b[k][this.thread.x]; }
  return sum;
}`;
const productNt = `function (a, b) {
  let sum = 0;
  for (let k = 0; k < this.constants.k; k++) { sum += a[this.thread.y][k] * b[this.thread.x][k]; }
  return sum;
}`;
const rowMax = `function (x) {
  let m = x[this.thread.x][0];
  for (let i = 1; i < this.constants.n; i++) { m = Math.max(m, x[this.thread.x][i]); }
  return m;
}`;
const rowSumExp = `function (x, m) {
  let sum = 0;
  for (let i = 0; i < this.constants.n; i++) { sum += Math.exp(x[this.thread.x][i] - m[this.thread.x]); }
  return sum;
}`;
const softmaxed = "function (x, m, s) { return Math.exp(x[this.thread.y][this.thread.x] - m[this.thread.y]) / s[this.thread.y]; }";
const rowMean = `function (x) {
  let sum = 0;
  for (let i = 0; i < this.constants.n; i++) { sum += x[this.thread.x][i]; }
  return sum / this.constants.n;
}`;
const rowScale = `function (x, mean) {
  let sum = 0;
  for (let i = 0; i < this.constants.n; i++) { const d = x[this.thread.x][i] - mean[this.thread.x]; sum += d * d; }
  return 1 / Math.sqrt(sum / this.constants.n + 0.00001);
}`;

function program(p: Problem, kernel: MakeKernel): Program {
  const rows = (count: number, n: number, last: string, size: [number, number]) => {
    const [mean, scale, apply] = [kernel([count], { n }, rowMean), kernel([count], { n }, rowScale), kernel(size, { n }, last)];
    return async ([x, w, b]: readonly Any[]) => {
      const m = await mean(x);
      return apply(x, m, await scale(x, m), w, b);
    };
  };
  switch (p.op) {
    case "matmul": {
      const run = kernel([p.n, p.m], { k: p.k }, product);
      return {
        shapes: [
          [p.k, p.m],
          [p.n, p.k],
        ],
        compute: ([a, b]) => run(a, b),
      };
    }
    case "linear": {
      const run = kernel([p.out, p.rows], { k: p.in }, productNt);
      return {
        shapes: [
          [p.in, p.rows],
          [p.in, p.out],
        ],
        compute: ([a, b]) => run(a, b),
      };
    }
    case "conv2d": {
      // Rows of the result are channels, columns pixels.
      const run = kernel(
        [p.h * p.w, p.out],
        { c: p.in, h: p.h, w: p.w },
        `function (x, f) {
        const row = Math.floor(this.thread.x / this.constants.w);
        const column = this.thread.x - row * this.constants.w;
        let sum = 0;
        for (let c = 0; c < this.constants.c; c++) {
          for (let i = 0; i < 3; i++) {
            const y = row + i - 1;
            if (y >= 0 && y < this.constants.h) {
              for (let j = 0; j < 3; j++) {
                const u = column + j - 1;
                if (u >= 0 && u < this.constants.w) { sum += x[c][y * this.constants.w + u] * f[this.thread.y][c * 9 + i * 3 + j]; }
              }
            }
          }
        }
        return sum;
      }`,
      );
      return {
        shapes: [
          [p.h * p.w, p.in],
          [p.in * 9, p.out],
        ],
        compute: ([x, f]) => run(x, f),
      };
    }
    case "attention": {
      const all = p.heads * p.queries;
      const sizes = { k: p.dim, n: p.keys, queries: p.queries, scale: p.dim ** -0.5 };
      const scores = kernel(
        [p.keys, all],
        sizes,
        `function (q, k) {
        const first = Math.floor(this.thread.y / this.constants.queries) * this.constants.n;
        let sum = 0;
        for (let d = 0; d < this.constants.k; d++) { sum += q[this.thread.y][d] * k[first + this.thread.x][d]; }
        return sum * this.constants.scale;
      }`,
      );
      const [max, total, weights] = [
        kernel([all], sizes, rowMax),
        kernel([all], sizes, rowSumExp),
        kernel([p.keys, all], sizes, softmaxed),
      ];
      const values = kernel(
        [p.dim, all],
        sizes,
        `function (w, v) {
        const first = Math.floor(this.thread.y / this.constants.queries) * this.constants.n;
        let sum = 0;
        for (let i = 0; i < this.constants.n; i++) { sum += w[this.thread.y][i] * v[first + i][this.thread.x]; }
        return sum;
      }`,
      );
      const kv = [p.dim, p.heads * p.keys];
      return {
        shapes: [[p.dim, all], kv, kv],
        async compute([q, k, v]) {
          const s = await scores(q, k);
          const m = await max(s);
          return values(await weights(s, m, await total(s, m)), v);
        },
      };
    }
    case "add": {
      const run = kernel([p.n], {}, "function (a, b) { return a[this.thread.x] + b[this.thread.x]; }");
      return { shapes: [[p.n], [p.n]], compute: ([a, b]) => run(a, b) };
    }
    case "gelu": {
      const run = kernel(
        [p.n],
        {},
        `function (a) {
        const x = a[this.thread.x];
        return 0.5 * x * (1 + Math.tanh(0.7978845608028654 * (x + 0.044715 * x * x * x)));
      }`,
      );
      return { shapes: [[p.n]], compute: ([a]) => run(a) };
    }
    case "softmax": {
      const n = p.length;
      const [max, total, apply] = [
        kernel([p.rows], { n }, rowMax),
        kernel([p.rows], { n }, rowSumExp),
        kernel([n, p.rows], { n }, softmaxed),
      ];
      return {
        shapes: [[n, p.rows]],
        async compute([x]) {
          const m = await max(x);
          return apply(x, m, await total(x, m));
        },
      };
    }
    case "layerNorm": {
      const last =
        "function (x, m, s, w, b) { return (x[this.thread.y][this.thread.x] - m[this.thread.y]) * s[this.thread.y] * w[this.thread.x] + b[this.thread.x]; }";
      return { shapes: [[p.length, p.rows], [p.length], [p.length]], compute: rows(p.rows, p.length, last, [p.length, p.rows]) };
    }
    case "groupNorm": {
      const [pixels, each] = [p.h * p.w, p.channels / p.groups];
      const last = `function (x, m, s, w, b) {
        const c = this.thread.y * ${each} + Math.floor(this.thread.x / ${pixels});
        return (x[this.thread.y][this.thread.x] - m[this.thread.y]) * s[this.thread.y] * w[c] + b[c];
      }`;
      return {
        shapes: [[each * pixels, p.groups], [p.channels], [p.channels]],
        compute: rows(p.groups, each * pixels, last, [each * pixels, p.groups]),
      };
    }
  }
}
