import {
  type Device,
  fillNormal,
  fillUniform,
  foldIn,
  fromData,
  type Key,
  keep,
  type Shape,
  SnoopiError,
  sizeOf,
  type Tensor,
} from "@snoopi/core";
import { manifest, type Params } from "@snoopi/models";

/** The numbers that a parameter starts with. `fan` is how many inputs the layer that it belongs to sums over. */
export type Initialiser = (draw: { readonly path: string; readonly shape: Shape; readonly fan: number; readonly key: Key }) => Float32Array;

/**
 * Fresh parameters for a network, each drawn with a key of its own: adding a layer changes no other's.
 * They belong to no scope: dispose of them.
 */
export function initialised(
  build: (p: Params) => unknown,
  { device, key, initialiser }: { readonly device: Device; readonly key: Key; readonly initialiser: Initialiser },
): Record<string, Tensor> {
  const shapes = manifest(build);
  return Object.fromEntries(
    [...shapes].map(([path, shape], i) => {
      const weight = shapes.get(path.replace(/bias$/, "weight")) ?? shape;
      const fan = sizeOf(weight.slice(1));
      const data = initialiser({ path, shape, fan, key: foldIn(key, i) });
      if (data.length !== sizeOf(shape))
        throw new SnoopiError(`initialise: "${path}" has ${sizeOf(shape)} numbers, and ${data.length} were drawn.`);
      return [path, keep(fromData(data, { shape, dtype: "f32", device }))];
    }),
  );
}

const isNorm = (path: string) => /norm[^.]*\.(weight|bias)$/.test(path);
const constant = (shape: Shape, value: number) => new Float32Array(sizeOf(shape)).fill(value);

/** PyTorch's defaults: uniform in ±1/√fan for linear layers and convolutions with their biases, 1 and 0 for norms. */
export const layerDefaults: Initialiser = ({ path, shape, fan, key }) => {
  if (isNorm(path)) return constant(shape, path.endsWith("weight") ? 1 : 0);
  const out = new Float32Array(sizeOf(shape));
  fillUniform(key, 0, out);
  const bound = 1 / Math.sqrt(fan);
  return out.map((u) => (2 * u - 1) * bound);
};

/** CLIP's: normal, with the deviations that transformers' `CLIPPreTrainedModel` gives each kind of layer; biases are 0. */
export const clipDefaults =
  ({ width, layers }: { readonly width: number; readonly layers: number }): Initialiser =>
  ({ path, shape, key }) => {
    if (path === "logit_scale") return Float32Array.of(Math.log(1 / 0.07));
    if (isNorm(path)) return constant(shape, path.endsWith("weight") ? 1 : 0);
    if (path.endsWith("bias")) return constant(shape, 0);
    const narrow = width ** -0.5 * (2 * layers) ** -0.5;
    const spread = /embedding\.weight$/.test(path)
      ? 0.02
      : /\.(q_proj|k_proj|v_proj|fc2)\.weight$/.test(path)
        ? narrow
        : /\.fc1\.weight$/.test(path)
          ? (2 * width) ** -0.5
          : width ** -0.5;
    const out = new Float32Array(sizeOf(shape));
    fillNormal(key, 0, out);
    return out.map((z) => z * spread);
  };
