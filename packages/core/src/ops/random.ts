import type { Op } from "../op.ts";
import { checkOptions, type NamesOf } from "../options.ts";
import { checkStream, fillNormal, fillUniform } from "../random/draws.ts";
import { keyFromSeed } from "../random/key.ts";
import type { Key } from "../random/philox.ts";
import type { Shape } from "../shape.ts";
import { apply, type Tensor } from "../tensor.ts";
import { checkShape, defaultDevice, type On } from "./full.ts";

export interface Random {
  readonly shape: Shape;
  readonly key: Key;
  readonly stream: number;
  readonly distribution: "uniform" | "normal";
}

/** Element i depends on the key, the stream and i alone: any device gives the same numbers, in any order. */
export const randomOp: Op<Random> = {
  name: "random",
  infer(_, { shape, stream, distribution }) {
    checkStream(stream);
    return { shape: checkShape(distribution, shape), dtype: "f32" };
  },
  reference(_, { key, stream, distribution }, out) {
    const fill = distribution === "normal" ? fillNormal : fillUniform;
    fill(key, stream, out.data as Float32Array);
  },
};

export interface RandomOptions extends Pick<On, "device"> {
  /** A key, or a seed to make one from. */
  readonly key: Key | number | bigint;
  /** Distinguishes independent draws with the same key. Default 0. */
  readonly stream?: number;
}

const randomNames: NamesOf<RandomOptions> = { key: true, stream: true, device: true };

function draw(distribution: Random["distribution"], shape: Shape, options: RandomOptions): Tensor {
  const { key, stream = 0, device = defaultDevice() } = checkOptions(distribution, options, randomNames);
  return apply(
    randomOp,
    [],
    { shape: [...shape], key: typeof key === "object" ? [...key] : keyFromSeed(key), stream, distribution },
    device,
  );
}

/** Numbers from [0, 1), in f32. The same key gives the same numbers on every device. */
export const uniform = (shape: Shape, options: RandomOptions): Tensor => draw("uniform", shape, options);

/** Numbers with mean 0 and variance 1, in f32. The same key gives the same numbers on every device. For PyTorch's own sequence see `torchGenerator`. */
export const normal = (shape: Shape, options: RandomOptions): Tensor => draw("normal", shape, options);
