import { inputsOf, type Problem } from "./cases.ts";

/** Results to compare: enough to meet every tile of a kernel, few enough to compute from the definition. */
const points = 256;

/**
 * Relative error (norm) of a result at scattered points, against the definition of the op evaluated in f64. The first and the last
 * element are among them. NaN where the length is wrong.
 */
export function errorOf(p: Problem, output: ArrayLike<number>): number {
  const { length, at } = expected(p, inputsOf(p));
  if (output.length !== length) return Number.NaN;
  let [difference, norm] = [0, 0];
  for (let i = 0; i < points; i++) {
    // Multiples of the golden ratio, modulo 1, spread evenly over rows and columns.
    const index = i === 0 ? 0 : i === 1 ? length - 1 : Math.floor(((i * 0.6180339887498949) % 1) * length);
    const want = at(index);
    difference += (output[index] - want) ** 2;
    norm += want ** 2;
  }
  return Math.sqrt(difference / norm);
}

/** Length of the result and any one of its elements. */
function expected(p: Problem, [a, b, c]: readonly Float32Array[]): { length: number; at: (i: number) => number } {
  switch (p.op) {
    case "matmul":
      return { length: p.m * p.n, at: (i) => dot(p.k, (k) => a[Math.floor(i / p.n) * p.k + k] * b[k * p.n + (i % p.n)]) };
    case "linear":
      return { length: p.rows * p.out, at: (i) => dot(p.in, (k) => a[Math.floor(i / p.out) * p.in + k] * b[(i % p.out) * p.in + k]) };
    case "conv2d":
      return { length: p.out * p.h * p.w, at: (i) => convolved(p, a, b, i) };
    case "attention":
      return { length: p.heads * p.queries * p.dim, at: (i) => attended(p, a, b, c, i) };
    case "add":
      return { length: p.n, at: (i) => a[i] + b[i] };
    case "gelu":
      return { length: p.n, at: (i) => 0.5 * a[i] * (1 + Math.tanh(Math.sqrt(2 / Math.PI) * (a[i] + 0.044715 * a[i] ** 3))) };
    case "softmax":
      return {
        length: p.rows * p.length,
        at: (i) => Math.exp(a[i]) / dot(p.length, (k) => Math.exp(a[i - (i % p.length) + k])),
      };
    case "layerNorm":
      return { length: p.rows * p.length, at: (i) => normalized(a, i, i - (i % p.length), p.length) * b[i % p.length] + c[i % p.length] };
    case "groupNorm": {
      const pixels = p.h * p.w;
      const size = (p.channels / p.groups) * pixels;
      return {
        length: p.channels * pixels,
        at: (i) => normalized(a, i, i - (i % size), size) * b[Math.floor(i / pixels)] + c[Math.floor(i / pixels)],
      };
    }
  }
}

function dot(n: number, term: (k: number) => number): number {
  let total = 0;
  for (let k = 0; k < n; k++) total += term(k);
  return total;
}

function convolved(p: Extract<Problem, { op: "conv2d" }>, x: Float32Array, weight: Float32Array, i: number): number {
  const [o, y, column] = [Math.floor(i / (p.h * p.w)), Math.floor(i / p.w) % p.h, i % p.w];
  return dot(p.in * 9, (k) => {
    const [channel, v, u] = [Math.floor(k / 9), y + (Math.floor(k / 3) % 3) - 1, column + (k % 3) - 1];
    return v < 0 || v >= p.h || u < 0 || u >= p.w ? 0 : x[(channel * p.h + v) * p.w + u] * weight[o * p.in * 9 + k];
  });
}

function attended(p: Extract<Problem, { op: "attention" }>, q: Float32Array, k: Float32Array, v: Float32Array, i: number): number {
  const row = Math.floor(i / p.dim);
  const first = Math.floor(row / p.queries) * p.keys;
  const weight = (key: number) => Math.exp(dot(p.dim, (d) => q[row * p.dim + d] * k[(first + key) * p.dim + d]) / Math.sqrt(p.dim));
  const weights = Float64Array.from({ length: p.keys }, (_, key) => weight(key));
  return dot(p.keys, (key) => weights[key] * v[(first + key) * p.dim + (i % p.dim)]) / dot(p.keys, (key) => weights[key]);
}

function normalized(x: Float32Array, i: number, first: number, n: number): number {
  const mean = dot(n, (k) => x[first + k]) / n;
  const variance = dot(n, (k) => (x[first + k] - mean) ** 2) / n;
  return (x[i] - mean) / Math.sqrt(variance + 1e-5);
}
