import { type Conv2dOptions, cpu, OpError, type Shape, SnoopiError, show, sizeOf, type Tensor, zeros } from "@snoopi/core";

/** A place in the parameter tree. Asking for a parameter is how a layer declares that it has one. */
export interface Params {
  readonly path: string;
  at(name: string): Params;
  get(name: string, shape: Shape): Tensor;
  /** Replaces a layer's call, for example to add an adapter. If absent, layers stay as they are. */
  readonly wrap?: (layer: Layer) => Layer["call"];
}

/** A layer that applies a weight to its input. */
export type Layer =
  | { readonly kind: "linear"; readonly width: number; readonly out: number; readonly call: (x: Tensor) => Tensor }
  | {
      readonly kind: "conv2d";
      readonly width: number;
      readonly out: number;
      readonly kernel: number;
      readonly window: Pick<Conv2dOptions, "stride" | "padding">;
      readonly call: (x: Tensor) => Tensor;
    };

/** Where parameters come from: a checkpoint, an initialiser, or nowhere at all. */
export type Source = (path: string, shape: Shape) => Tensor;

export function params(source: Source, path = ""): Params {
  const join = (name: string) => (path ? `${path}.${name}` : name);
  return { path, at: (name) => params(source, join(name)), get: (name, shape) => source(join(name), shape) };
}

/** Reads from tensors that have been loaded. */
export const load =
  (tensors: ReadonlyMap<string, Tensor>): Source =>
  (path, shape) => {
    const t = tensors.get(path);
    if (!t) throw new SnoopiError(`load: the checkpoint has no "${path}" ${show(shape)}.`);
    if (show(t.shape) !== show(shape))
      throw new SnoopiError(`load: "${path}" is ${show(t.shape)} in the checkpoint and ${show(shape)} in the model.`);
    return t;
  };

/** Draws each parameter by `draw`, for training from scratch and for tests. */
export const init =
  (draw: (path: string, shape: Shape) => Tensor): Source =>
  (path, shape) =>
    draw(path, shape);

/** Lists what a model would ask for, in the order it asks, without allocating it. */
export function manifest(build: (p: Params) => unknown): Map<string, Shape> {
  const asked = new Map<string, Shape>();
  build(
    params((path, shape) => {
      if (asked.has(path)) throw new OpError("manifest", `"${path}" is asked for twice`);
      asked.set(path, shape);
      return zeros(shape, { device: cpu });
    }),
  );
  return asked;
}

/** How many numbers all parameters of a manifest have. */
export const countOf = (shapes: ReadonlyMap<string, Shape>): number => [...shapes.values()].reduce((n, s) => n + sizeOf(s), 0);
