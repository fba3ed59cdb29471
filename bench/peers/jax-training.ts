import type { Network, Values } from "../training/networks.ts";
import type { Trainer } from "../training/trainer.ts";
import { openJax } from "./jax.ts";

// The peers are installed only where the benchmark runs: their types are not at hand.
type Any = any;

/** jax-js on WebGPU: loss, gradients and update in one function compiled by `jit`. The package has no optimisers: their formulas stand here. */
export async function open(): Promise<Trainer> {
  const { jax, version } = await openJax();
  const { jit, numpy: np, tree, valueAndGrad } = jax;
  return {
    version,
    async prepare(network) {
      const up = ({ shape, values }: Values) => np.array(values).reshape([...shape]);
      const zerosLike = (values: Record<string, Values>) =>
        Object.fromEntries(Object.entries(values).map(([k, { shape }]) => [k, np.zeros([...shape])]));
      let params: Any = Object.fromEntries(Object.entries(network.params).map(([k, v]) => [k, up(v)]));
      let state: Any =
        network.optimizer === "sgd"
          ? {}
          : { m: zerosLike(network.params), v: zerosLike(network.params), c1: np.zeros([]), c2: np.zeros([]) };
      const batch = network.batch.map(up);
      await jax.blockUntilReady([params, state, batch]);
      const lossOf = losses(jax)[network.kind];
      const update = network.optimizer === "sgd" ? sgd : adam;
      const train = jit((p: Any, s: Any, ...inputs: Any[]) => {
        const [loss, gradients] = valueAndGrad(lossOf)(tree.ref(p), ...inputs);
        return [loss, ...update(np, network.lr, p, gradients, s)];
      });
      const predict = jit(lossOf);
      // Operations consume their operands: `ref` keeps them.
      const inputs = () => batch.map((t) => t.ref);
      const reading = (loss: Any) => async () => (await loss.data())[0];
      return {
        step() {
          let loss: Any;
          [loss, params, state] = train(params, state, ...inputs());
          return reading(loss);
        },
        forward: () => reading(predict(tree.ref(params), ...inputs())),
        free: () => tree.dispose([params, state, batch]),
      };
    },
  };
}

function sgd(_np: Any, lr: number, params: Any, gradients: Any, state: Any): [Any, Any] {
  return [Object.fromEntries(Object.keys(params).map((k) => [k, params[k].sub(gradients[k].mul(lr))])), state];
}

function adam(np: Any, lr: number, params: Any, gradients: Any, { m, v, c1, c2 }: Any): [Any, Any] {
  const [beta1, beta2] = [0.9, 0.999];
  const next: Any = { m: {}, v: {}, c1: c1.mul(beta1).add(1 - beta1), c2: c2.mul(beta2).add(1 - beta2) };
  const moved: Any = {};
  for (const k of Object.keys(params)) {
    const g = gradients[k];
    next.m[k] = m[k].mul(beta1).add(g.ref.mul(1 - beta1));
    next.v[k] = v[k].mul(beta2).add(np.square(g).mul(1 - beta2));
    const spread = np.sqrt(next.v[k].ref.div(next.c2.ref)).add(1e-8);
    moved[k] = params[k].sub(next.m[k].ref.div(next.c1.ref).div(spread).mul(lr));
  }
  return [moved, next];
}

function losses({ lax, nn, numpy: np }: Any): Record<Network["kind"], (p: Any, ...batch: Any[]) => Any> {
  const around = [
    [1, 1],
    [1, 1],
  ];
  const conv = (x: Any, w: Any, stride = 1) => lax.convGeneralDilated(x, w, [stride, stride], around);
  return {
    convnet(p, x, oneHot) {
      const [n] = x.shape;
      const first = nn.relu(conv(x, p.conv1));
      const second = nn.relu(conv(first, p.conv2, 2));
      const third = nn.relu(conv(second, p.conv3, 2));
      const logits = np.matmul(third.reshape([n, -1]), np.matrixTranspose(p.linear));
      return np.mean(np.log(np.sum(np.exp(logits.ref), 1)).sub(np.sum(logits.mul(oneHot), 1)));
    },
    unet(p, x, context, target) {
      const [n] = x.shape;
      const groupNorm = (h: Any) => {
        const { shape } = h;
        return nn.standardize(h.reshape([n, 8, -1]), -1, { epsilon: 1e-5 }).reshape(shape);
      };
      const resnet = (h: Any, w: Any) => h.ref.add(conv(nn.silu(groupNorm(h)), w));
      const linear = (h: Any, w: Any) => np.matmul(h, np.matrixTranspose(w));
      const first = resnet(conv(x, p.in), p.first);
      const { shape } = first;
      const pixels = np.matrixTranspose(first.ref.reshape([n, shape[1], -1]));
      const [q, k, v] = [linear(pixels, p.q), linear(context.ref, p.k), linear(context, p.v)];
      const weights = nn.softmax(np.matmul(q, np.matrixTranspose(k)).mul(shape[1] ** -0.5), -1);
      const crossed = first.add(np.matrixTranspose(linear(np.matmul(weights, v), p.o)).reshape(shape));
      const middle = resnet(conv(crossed.ref, p.down, 2), p.middle);
      const up = np.repeat(np.repeat(middle, 2, 2), 2, 3);
      const out = conv(nn.silu(resnet(up.add(crossed), p.last)), p.out);
      return np.mean(np.square(out.sub(target)));
    },
  };
}
