import { scattered } from "./numbers.ts";

/** What is measured. Shapes are PyTorch's: images `[1, C, H, W]`, weights `[O, I, kh, kw]`, linear weights `[out, in]`. */
export type Problem =
  | { readonly op: "matmul"; readonly m: number; readonly n: number; readonly k: number }
  /** x `[rows, in]` · weightᵀ, the weight stored in f16. */
  | { readonly op: "linear"; readonly rows: number; readonly in: number; readonly out: number }
  /** 3×3, padding 1, one image. */
  | { readonly op: "conv2d"; readonly in: number; readonly out: number; readonly h: number; readonly w: number }
  | { readonly op: "attention"; readonly heads: number; readonly queries: number; readonly keys: number; readonly dim: number }
  | { readonly op: "add" | "gelu"; readonly n: number }
  | { readonly op: "softmax" | "layerNorm"; readonly rows: number; readonly length: number }
  | { readonly op: "groupNorm"; readonly channels: number; readonly groups: number; readonly h: number; readonly w: number };

export interface Case {
  readonly name: string;
  readonly problem: Problem;
  /** Floating-point operations, where arithmetic is the limit. */
  readonly flops?: number;
  /** Bytes that must be read and written at least, where memory is. */
  readonly bytes?: number;
  readonly quick: boolean;
}

const compute = (name: string, problem: Problem, flops: number, quick = true): Case => ({ name, problem, flops, quick });
const memory = (name: string, problem: Problem, floats: number, quick = true): Case => ({ name, problem, bytes: 4 * floats, quick });

const square = (n: number, quick = true) => compute(`matmul ${n}³`, { op: "matmul", m: n, n, k: n }, 2 * n ** 3, quick);
const linear = (rows: number, into: number, out: number, quick = true) =>
  compute(`linear ${rows}×${into}→${out}, f16 weight`, { op: "linear", rows, in: into, out }, 2 * rows * into * out, quick);
const conv = (into: number, out: number, size: number, quick = true) =>
  compute(`conv2d 3×3 ${into}→${out} @${size}²`, { op: "conv2d", in: into, out, h: size, w: size }, 18 * into * out * size * size, quick);
const attend = (heads: number, queries: number, keys: number, dim: number, quick = true) =>
  compute(
    `attention ${heads}×${queries}×${dim}, ${keys} keys`,
    { op: "attention", heads, queries, keys, dim },
    4 * heads * queries * keys * dim,
    quick,
  );

/** Sizes that Stable Diffusion 1.5 runs at 256 and 512 pixels, and the usual cubes. */
export const cases: readonly Case[] = [
  square(256),
  square(512),
  square(1024),
  square(2048, false),
  linear(1024, 1024, 1024),
  linear(1024, 320, 2560, false),
  linear(77, 768, 3072),
  conv(320, 320, 32),
  conv(128, 128, 64),
  conv(640, 640, 16, false),
  conv(320, 320, 64, false),
  attend(8, 1024, 1024, 40),
  attend(8, 1024, 77, 40),
  attend(8, 4096, 4096, 40, false),
  memory("add 4 M", { op: "add", n: 2 ** 22 }, 3 * 2 ** 22),
  memory("gelu (tanh form) 4 M", { op: "gelu", n: 2 ** 22 }, 2 * 2 ** 22),
  memory("softmax 1024×1024", { op: "softmax", rows: 1024, length: 1024 }, 2 * 2 ** 20),
  memory("groupNorm 320 channels @64²", { op: "groupNorm", channels: 320, groups: 32, h: 64, w: 64 }, 2 * 320 * 4096),
  memory("layerNorm 4096×320", { op: "layerNorm", rows: 4096, length: 320 }, 2 * 4096 * 320),
];

/** Inputs of a problem, the same for every library. Scaled so that results are of size one. */
export function inputsOf(p: Problem): Float32Array[] {
  const values = (seed: number, n: number, scale = 1) => scattered(seed, n, scale);
  switch (p.op) {
    case "matmul":
      return [values(1, p.m * p.k), values(2, p.k * p.n, p.k ** -0.5)];
    case "linear":
      // A power of two, so that the weight is exact in f16.
      return [values(1, p.rows * p.in), values(2, p.out * p.in, 2 ** -5)];
    case "conv2d":
      return [values(1, p.in * p.h * p.w), values(2, p.out * p.in * 9, (9 * p.in) ** -0.5)];
    case "attention":
      return [values(1, p.heads * p.queries * p.dim, 2), values(2, p.heads * p.keys * p.dim, 2), values(3, p.heads * p.keys * p.dim)];
    case "add":
      return [values(1, p.n), values(2, p.n)];
    case "gelu":
      return [values(1, p.n, 3)];
    case "softmax":
      return [values(1, p.rows * p.length, 4)];
    case "layerNorm":
      return [values(1, p.rows * p.length), values(2, p.length), values(3, p.length)];
    case "groupNorm":
      return [values(1, p.channels * p.h * p.w), values(2, p.channels), values(3, p.channels)];
  }
}
