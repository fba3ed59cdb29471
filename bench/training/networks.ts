import { attention, conv2d, exp, groupNorm, linear, log, mean, relu, resize, silu, square, sum, type Tensor } from "@snoopi/core";
import { scattered } from "../numbers.ts";

/** Initial values of one parameter or input, the same for every library, in PyTorch's order. */
export interface Values {
  readonly shape: readonly number[];
  readonly values: Float32Array;
}

/** A network to train: its parameters, one batch, its loss, and the optimiser that its step takes. */
export interface Network {
  readonly name: string;
  readonly kind: "convnet" | "unet";
  /** As PyTorch's `SGD` and `Adam` with only a learning rate given. */
  readonly optimizer: "sgd" | "adam";
  readonly lr: number;
  readonly params: Readonly<Record<string, Values>>;
  readonly batch: readonly Values[];
  readonly loss: (p: Readonly<Record<string, Tensor>>, batch: readonly Tensor[]) => Tensor;
}

const count = (shape: readonly number[]): number => shape.reduce((a, b) => a * b, 1);
let seed = 0;
const values = (shape: readonly number[], scale: number): Values => ({ shape, values: scattered(++seed, count(shape), scale) });
/** A weight `[out, in, ...]`, scaled so that results are of size one. */
const weight = (...shape: number[]): Values => values(shape, (3 / count(shape.slice(1))) ** 0.5);

const batchSize = 32;
const classes = 10;

/** Three 3×3 convolutions, two of them with stride 2, and a linear layer; cross-entropy. */
const convnet: Network = {
  name: "training step: convnet 3×32², batch 32, SGD",
  kind: "convnet",
  optimizer: "sgd",
  lr: 0.05,
  params: {
    conv1: weight(32, 3, 3, 3),
    conv2: weight(64, 32, 3, 3),
    conv3: weight(64, 64, 3, 3),
    linear: weight(classes, 64 * 8 * 8),
  },
  batch: [
    values([batchSize, 3, 32, 32], 1),
    {
      shape: [batchSize, classes],
      values: Float32Array.from({ length: batchSize * classes }, (_, i) => Number(i % classes === Math.floor(i / classes) % classes)),
    },
  ],
  loss(p, [x, oneHot]) {
    const first = relu(conv2d(x, p.conv1, { padding: 1 }));
    const second = relu(conv2d(first, p.conv2, { padding: 1, stride: 2 }));
    const third = relu(conv2d(second, p.conv3, { padding: 1, stride: 2 }));
    const logits = linear(third.reshape([batchSize, 64 * 8 * 8]), p.linear);
    return mean(log(sum(exp(logits), { axis: 1 })).sub(sum(logits.mul(oneHot), { axis: 1 })));
  },
};

const width = 64;
const tokens = 8;

/** 8×8×4 latents, 64 channels: resnet, cross-attention of width 64, down, resnet, up, a skip, out; mean squared error. */
const unet: Network = {
  name: "training step: UNet 4×8², 64 channels, batch 32, Adam",
  kind: "unet",
  optimizer: "adam",
  lr: 1e-3,
  params: {
    in: weight(width, 4, 3, 3),
    first: weight(width, width, 3, 3),
    q: weight(width, width),
    k: weight(width, width),
    v: weight(width, width),
    o: weight(width, width),
    down: weight(width, width, 3, 3),
    middle: weight(width, width, 3, 3),
    last: weight(width, width, 3, 3),
    out: weight(4, width, 3, 3),
  },
  batch: [values([batchSize, 4, 8, 8], 1), values([batchSize, tokens, width], 1), values([batchSize, 4, 8, 8], 1)],
  loss(p, [x, context, target]) {
    const resnet = (h: Tensor, w: Tensor) => h.add(conv2d(silu(groupNorm(h, 8)), w, { padding: 1 }));
    const first = resnet(conv2d(x, p.in, { padding: 1 }), p.first);
    const pixels = first.reshape([batchSize, width, 64]).permute([0, 2, 1]);
    const one = (h: Tensor, w: Tensor) => linear(h, w).reshape([batchSize, 1, h.shape[1], width]);
    const attended = attention(one(pixels, p.q), one(context, p.k), one(context, p.v)).reshape([batchSize, 64, width]);
    const crossed = first.add(linear(attended, p.o).permute([0, 2, 1]).reshape([batchSize, width, 8, 8]));
    const middle = resnet(conv2d(crossed, p.down, { padding: 1, stride: 2 }), p.middle);
    const up = resize(middle, [8, 8]);
    return mean(square(conv2d(silu(resnet(up.add(crossed), p.last)), p.out, { padding: 1 }).sub(target)));
  },
};

export const networks: readonly Network[] = [convnet, unet];
