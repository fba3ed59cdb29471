import { concat, keep, noGrad, reshape, scope, sizeOf, slice, type Tensor, zeros } from "@snoopi/core";
import type { Numbers } from "./stage.ts";

/**
 * Parameters end to end as one tensor of which each is a view: clipping, optimiser and average are then a few kernels, instead of a few for
 * each parameter, and the norm is known before the optimiser moves.
 */
export interface Packed extends Disposable {
  /** f32 `[n]`, zero between one parameter and the next. */
  readonly all: Tensor;
  /** Tensors like the parameters, end to end. */
  join(parts: Readonly<Record<string, Tensor>>): Tensor;
  /** Updates the parameters after `all` was assigned. */
  settle(): void;
  /** Updates `all` after the parameters were assigned. */
  adopt(): void;
  /** A tensor like `all` on the host, by the parameters' names. */
  read(all: Tensor): Promise<Map<string, Numbers>>;
}

/** Multiple of f32 elements (256 bytes) at which a GPU can bind part of a buffer: a kernel would copy a parameter that begins elsewhere. */
const alignment = 64;

/** Parameters end to end in one tensor, each from where a GPU can bind it: a step then moves all of them by one kernel. */
export function packed(parameters: Readonly<Record<string, Tensor>>): Packed {
  let length = 0;
  const places = Object.entries(parameters).map(([name, { shape }]) => {
    const start = length;
    length += Math.ceil(sizeOf(shape) / alignment) * alignment;
    return { name, shape, start, end: start + sizeOf(shape), next: length };
  });
  const [{ device }] = Object.values(parameters);
  const join = (parts: Readonly<Record<string, Tensor>>) => {
    const gaps = new Map([...new Set(places.map(({ end, next }) => next - end))].map((n) => [n, zeros([n], { device })]));
    return concat(places.flatMap(({ name, end, next }) => [reshape(parts[name], [-1]), ...(next > end ? [gaps.get(next - end)!] : [])]));
  };
  const all = keep(noGrad(() => scope(() => join(parameters))));
  const settle = () =>
    noGrad(() =>
      scope(() => {
        for (const { name, shape, start, end } of places) parameters[name].assign(reshape(slice(all, [[start, end]]), shape));
      }),
    );
  settle();
  return {
    all,
    join,
    settle,
    adopt() {
      noGrad(() => scope(() => all.assign(join(parameters))));
      settle();
    },
    async read(tensor) {
      const values = (await tensor.data()) as Float32Array;
      return new Map(places.map(({ name, shape, start, end }) => [name, { shape, data: values.slice(start, end) }]));
    },
    [Symbol.dispose]() {
      all.dispose();
    },
  };
}
