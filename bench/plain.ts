import type { Problem } from "./cases.ts";
import type { Library, Prepared } from "./library.ts";

type Compute = (inputs: readonly Float32Array[], out: Float32Array) => void;

/** Straightforward loops in JavaScript on one thread: what code without a library costs. */
export async function open(): Promise<Library> {
  return {
    version: `loops in JavaScript, node ${process.version}`,
    async prepare(problem, inputs) {
      const [length, compute] = loops(problem);
      const out = new Float32Array(length);
      return {
        async run(times) {
          for (let i = 0; i < times; i++) compute(inputs, out);
          return out[0];
        },
        output: async () => out.slice(),
        free() {},
      } satisfies Prepared;
    },
  };
}

function loops(p: Problem): [length: number, compute: Compute] {
  switch (p.op) {
    case "matmul":
      return [p.m * p.n, ([a, b], out) => product(p.m, p.n, p.k, a, b, out)];
    case "linear":
      return [p.rows * p.out, ([x, w], out) => productNt(p.rows, p.out, p.in, x, w, out)];
    case "conv2d":
      return [p.out * p.h * p.w, ([x, w], out) => convolve(p, x, w, out)];
    case "attention":
      return [p.heads * p.queries * p.dim, ([q, k, v], out) => attend(p, q, k, v, out)];
    case "add":
      return [
        p.n,
        ([a, b], out) =>
          out.forEach((_, i) => {
            out[i] = a[i] + b[i];
          }),
      ];
    case "gelu":
      return [p.n, ([x], out) => gelu(x, out)];
    case "softmax":
      return [p.rows * p.length, ([x], out) => softmax(p.length, x, out)];
    case "layerNorm":
      return [
        p.rows * p.length,
        ([x, weight, bias], out) =>
          normalize(
            p.length,
            x,
            out,
            (i) => weight[i % p.length],
            (i) => bias[i % p.length],
          ),
      ];
    case "groupNorm": {
      const pixels = p.h * p.w;
      const size = (p.channels / p.groups) * pixels;
      return [
        p.channels * pixels,
        ([x, weight, bias], out) =>
          normalize(
            size,
            x,
            out,
            (i) => weight[Math.floor(i / pixels)],
            (i) => bias[Math.floor(i / pixels)],
          ),
      ];
    }
  }
}

/** Adds multiples of b's rows, so that the inner loop runs along memory. */
function product(m: number, n: number, k: number, a: Float32Array, b: Float32Array, out: Float32Array): void {
  out.fill(0);
  for (let i = 0; i < m; i++) {
    for (let l = 0; l < k; l++) {
      const factor = a[i * k + l];
      for (let j = 0; j < n; j++) out[i * n + j] += factor * b[l * n + j];
    }
  }
}

function productNt(m: number, n: number, k: number, a: Float32Array, b: Float32Array, out: Float32Array): void {
  for (let i = 0; i < m; i++) {
    for (let j = 0; j < n; j++) {
      let sum = 0;
      for (let l = 0; l < k; l++) sum += a[i * k + l] * b[j * k + l];
      out[i * n + j] = sum;
    }
  }
}

function convolve(
  { in: I, out: O, h, w }: Extract<Problem, { op: "conv2d" }>,
  x: Float32Array,
  weight: Float32Array,
  out: Float32Array,
): void {
  out.fill(0);
  for (let o = 0; o < O; o++) {
    for (let c = 0; c < I; c++) {
      for (let t = 0; t < 9; t++) {
        const factor = weight[(o * I + c) * 9 + t];
        const [dy, dx] = [Math.floor(t / 3) - 1, (t % 3) - 1];
        const [left, right] = [Math.max(0, -dx), Math.min(w, w - dx)];
        for (let y = Math.max(0, -dy); y < Math.min(h, h - dy); y++) {
          const to = (o * h + y) * w;
          const from = (c * h + y + dy) * w + dx;
          for (let u = left; u < right; u++) out[to + u] += factor * x[from + u];
        }
      }
    }
  }
}

function attend(p: Extract<Problem, { op: "attention" }>, q: Float32Array, k: Float32Array, v: Float32Array, out: Float32Array): void {
  const { heads, queries, keys, dim } = p;
  const scores = new Float32Array(queries * keys);
  const part = (x: Float32Array, head: number, tokens: number) => x.subarray(head * tokens * dim, (head + 1) * tokens * dim);
  for (let head = 0; head < heads; head++) {
    productNt(queries, keys, dim, part(q, head, queries), part(k, head, keys), scores);
    for (let i = 0; i < scores.length; i++) scores[i] /= Math.sqrt(dim);
    softmax(keys, scores, scores);
    product(queries, dim, keys, scores, part(v, head, keys), part(out, head, queries));
  }
}

function gelu(x: Float32Array, out: Float32Array): void {
  const c = Math.sqrt(2 / Math.PI);
  for (let i = 0; i < x.length; i++) out[i] = 0.5 * x[i] * (1 + Math.tanh(c * (x[i] + 0.044715 * x[i] * x[i] * x[i])));
}

function softmax(length: number, x: Float32Array, out: Float32Array): void {
  for (let row = 0; row < x.length; row += length) {
    let max = Number.NEGATIVE_INFINITY;
    for (let i = row; i < row + length; i++) if (x[i] > max) max = x[i];
    let total = 0;
    for (let i = row; i < row + length; i++) total += out[i] = Math.exp(x[i] - max);
    for (let i = row; i < row + length; i++) out[i] /= total;
  }
}

function normalize(length: number, x: Float32Array, out: Float32Array, weight: (i: number) => number, bias: (i: number) => number): void {
  for (let row = 0; row < x.length; row += length) {
    let [mean, squares] = [0, 0];
    for (let i = row; i < row + length; i++) mean += x[i];
    mean /= length;
    for (let i = row; i < row + length; i++) squares += (x[i] - mean) ** 2;
    const scale = 1 / Math.sqrt(squares / length + 1e-5);
    for (let i = row; i < row + length; i++) out[i] = (x[i] - mean) * scale * weight(i) + bias(i);
  }
}
