import { createRequire } from "node:module";
import { openBrowserGpu } from "../browser-gpu.ts";
import type { Network, Values } from "../training/networks.ts";
import type { Trainer } from "../training/trainer.ts";

// The peers are installed only where the benchmark runs: their types are not at hand.
type Any = any;

/** TensorFlow.js with its own optimisers. Layout is its own: channels last, weights and inputs converted beforehand. */
export async function open(): Promise<Trainer> {
  openBrowserGpu();
  const require = createRequire(import.meta.url);
  const tf: Any = require("@tensorflow/tfjs-core");
  // Without the umbrella package, gradients must be registered.
  require("@tensorflow/tfjs-core/dist/register_all_gradients");
  require("@tensorflow/tfjs-backend-webgpu");
  await tf.setBackend("webgpu");
  await tf.ready();
  return {
    version: `@tensorflow/tfjs-core ${tf.version_core}, webgpu`,
    async prepare(network) {
      const up = (v: Values, change: (t: Any) => Any) => tf.tidy(() => change(tf.tensor(v.values, v.shape)));
      const image = (t: Any) => (t.rank === 4 ? tf.transpose(t, [0, 2, 3, 1]) : t);
      const weight = (t: Any, name: string) => {
        if (t.rank === 4) return tf.transpose(t, [2, 3, 1, 0]);
        // The layer that reads a flattened image needs its columns with channels last, too.
        const flat = name === "linear" ? tf.transpose(tf.reshape(t, [-1, 64, 8, 8]), [0, 2, 3, 1]) : t;
        return tf.reshape(flat, t.shape);
      };
      const params = Object.fromEntries(
        Object.entries(network.params).map(([name, v]) => {
          const value = up(v, (t) => weight(t, name));
          const variable = tf.variable(value, true);
          value.dispose();
          return [name, variable];
        }),
      );
      const batch = network.batch.map((v) => up(v, image));
      const variables: Any[] = Object.values(params);
      const optimizer = network.optimizer === "sgd" ? tf.train.sgd(network.lr) : tf.train.adam(network.lr, 0.9, 0.999, 1e-8);
      const lossOf = () => losses(tf)[network.kind](params, batch);
      const reading = (loss: Any) => async () => {
        const [value] = await loss.data();
        loss.dispose();
        return value;
      };
      return {
        step: () => reading(optimizer.minimize(lossOf, true, variables)),
        forward: () => reading(tf.tidy(lossOf)),
        free() {
          optimizer.dispose();
          for (const t of [...variables, ...batch]) t.dispose();
        },
      };
    },
  };
}

function losses(tf: Any): Record<Network["kind"], (p: Any, batch: Any[]) => Any> {
  const conv = (x: Any, w: Any, stride = 1) => tf.conv2d(x, w, stride, 1);
  return {
    convnet(p, [x, oneHot]) {
      const first = tf.relu(conv(x, p.conv1));
      const second = tf.relu(conv(first, p.conv2, 2));
      const third = tf.relu(conv(second, p.conv3, 2));
      const logits = tf.matMul(tf.reshape(third, [x.shape[0], -1]), p.linear, false, true);
      return tf.mean(tf.sub(tf.log(tf.sum(tf.exp(logits), 1)), tf.sum(tf.mul(logits, oneHot), 1)));
    },
    unet(p, [x, context, target]) {
      const [n] = x.shape;
      const groupNorm = (h: Any) => {
        const grouped = tf.reshape(h, [n, h.shape[1] * h.shape[2], 8, h.shape[3] / 8]);
        const { mean, variance } = tf.moments(grouped, [1, 3], true);
        return tf.reshape(tf.mul(tf.sub(grouped, mean), tf.rsqrt(tf.add(variance, 1e-5))), h.shape);
      };
      const silu = (h: Any) => tf.mul(h, tf.sigmoid(h));
      const resnet = (h: Any, w: Any) => tf.add(h, conv(silu(groupNorm(h)), w));
      const linear = (h: Any, w: Any) => tf.reshape(tf.matMul(tf.reshape(h, [-1, w.shape[1]]), w, false, true), [n, -1, w.shape[0]]);
      const first = resnet(conv(x, p.in), p.first);
      const pixels = tf.reshape(first, [n, -1, first.shape[3]]);
      const [q, k, v] = [linear(pixels, p.q), linear(context, p.k), linear(context, p.v)];
      const weights = tf.softmax(tf.mul(tf.matMul(q, k, false, true), q.shape[2] ** -0.5));
      const crossed = tf.add(first, tf.reshape(linear(tf.matMul(weights, v), p.o), first.shape));
      const middle = resnet(conv(crossed, p.down, 2), p.middle);
      const up = tf.image.resizeNearestNeighbor(middle, [8, 8]);
      const out = conv(silu(resnet(tf.add(up, crossed), p.last)), p.out);
      return tf.mean(tf.square(tf.sub(out, target)));
    },
  };
}
