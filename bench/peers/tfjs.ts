import type { Problem } from "../cases.ts";
import type { Library, Prepared } from "../library.ts";

// The peers are installed only where the benchmark runs: their types are not at hand.
type Any = any;

/** TensorFlow.js on a backend that has been registered. Layout is its own: channels last, inputs converted beforehand. */
export async function tensorflow(tf: Any, backend: string): Promise<Library> {
  await tf.setBackend(backend);
  await tf.ready();
  return {
    version: `@tensorflow/tfjs-core ${tf.version_core ?? tf.version?.["tfjs-core"]}, ${backend}`,
    async prepare(problem, inputs) {
      const [build, canonical] = graph(tf, problem, inputs);
      const tensors: Any[] = [];
      const once = build((t) => tensors[tensors.push(t) - 1]);
      const result = () => tf.tidy(once);
      return {
        async run(times) {
          for (let i = 1; i < times; i++) result().dispose();
          const last = result();
          const one = tf.tidy(() => tf.slice(tf.reshape(last, [-1]), [0], [1]));
          await one.data();
          one.dispose();
          last.dispose();
        },
        async output() {
          const last = result();
          const ordered = tf.tidy(() => tf.clone(canonical(last)));
          const values = await ordered.data();
          last.dispose();
          ordered.dispose();
          return values;
        },
        free() {
          for (const t of tensors) t.dispose();
        },
      } satisfies Prepared;
    },
  };
}

/** What to compute, given a way to keep inputs, and how to bring a result into the problem's order. */
function graph(
  tf: Any,
  p: Problem,
  [a, b, c]: readonly Float32Array[],
): [build: (kept: (t: Any) => Any) => () => Any, canonical: (t: Any) => Any] {
  const same = (t: Any) => t;
  const norm = (x: Any, axes: number[]) => {
    const { mean, variance } = tf.moments(x, axes, true);
    return tf.mul(tf.sub(x, mean), tf.rsqrt(tf.add(variance, 1e-5)));
  };
  switch (p.op) {
    case "matmul":
      return [
        (kept) => {
          const [x, y] = [kept(tf.tensor2d(a, [p.m, p.k])), kept(tf.tensor2d(b, [p.k, p.n]))];
          return () => tf.matMul(x, y);
        },
        same,
      ];
    case "linear":
      return [
        (kept) => {
          const [x, y] = [kept(tf.tensor2d(a, [p.rows, p.in])), kept(tf.tensor2d(b, [p.out, p.in]))];
          return () => tf.matMul(x, y, false, true);
        },
        same,
      ];
    case "conv2d":
      return [
        (kept) => {
          const x = kept(tf.tidy(() => tf.transpose(tf.tensor4d(a, [1, p.in, p.h, p.w]), [0, 2, 3, 1])));
          const w = kept(tf.tidy(() => tf.transpose(tf.tensor4d(b, [p.out, p.in, 3, 3]), [2, 3, 1, 0])));
          return () => tf.conv2d(x, w, 1, "same");
        },
        (t) => tf.transpose(t, [0, 3, 1, 2]),
      ];
    case "attention":
      return [
        (kept) => {
          const q = kept(tf.tensor3d(a, [p.heads, p.queries, p.dim]));
          const [k, v] = [b, c].map((x) => kept(tf.tensor3d(x, [p.heads, p.keys, p.dim])));
          return () => tf.matMul(tf.softmax(tf.mul(tf.matMul(q, k, false, true), p.dim ** -0.5)), v);
        },
        same,
      ];
    case "add":
      return [
        (kept) => {
          const [x, y] = [kept(tf.tensor1d(a)), kept(tf.tensor1d(b))];
          return () => tf.add(x, y);
        },
        same,
      ];
    case "gelu":
      return [
        (kept) => {
          const x = kept(tf.tensor1d(a));
          const inner = () => tf.mul(tf.add(x, tf.mul(tf.mul(tf.square(x), x), 0.044715)), Math.sqrt(2 / Math.PI));
          return () => tf.mul(tf.mul(x, 0.5), tf.add(tf.tanh(inner()), 1));
        },
        same,
      ];
    case "softmax":
      return [
        (kept) => {
          const x = kept(tf.tensor2d(a, [p.rows, p.length]));
          return () => tf.softmax(x);
        },
        same,
      ];
    case "layerNorm":
      return [
        (kept) => {
          const [x, w, bias] = [kept(tf.tensor2d(a, [p.rows, p.length])), kept(tf.tensor1d(b)), kept(tf.tensor1d(c))];
          return () => tf.add(tf.mul(norm(x, [1]), w), bias);
        },
        same,
      ];
    case "groupNorm":
      return [
        (kept) => {
          const [x, w, bias] = [
            kept(tf.tensor3d(a, [p.groups, p.channels / p.groups, p.h * p.w])),
            ...[b, c].map((t) => kept(tf.tensor3d(t, [p.groups, p.channels / p.groups, 1]))),
          ];
          return () => tf.add(tf.mul(norm(x, [1, 2]), w), bias);
        },
        same,
      ];
  }
}
