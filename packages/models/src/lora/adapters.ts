import {
  add,
  conv2d,
  type Device,
  foldIn,
  type Key,
  keep,
  keyFromSeed,
  linear,
  mul,
  noGrad,
  type Shape,
  SnoopiError,
  scope,
  show,
  surrounding,
  type Tensor,
  uniform,
  zeros,
} from "@snoopi/core";
import type { Layer, Params } from "../params.ts";
import { addLowRank } from "./merge.ts";

/** Low-rank adaptation (Hu et al. 2021): `y = W x + (alpha / rank) · B (A x)`. */
export interface AdapterOptions {
  /** Layers to adapt: a test of their paths, or patterns of which one has to match. Default every linear and convolution. */
  readonly match?: ((path: string) => boolean) | readonly RegExp[];
  readonly rank: number;
  /** Default the rank, which makes the factor 1. */
  readonly alpha?: number;
  /** Draws A, `[rank, width]` or `[rank, width, k, k]`. Default uniform within ±1/√(numbers per row), as PEFT; B begins as zeros. */
  readonly init?: (path: string, shape: Shape) => Tensor;
  /** What the default `init` draws with. Default 0. */
  readonly key?: Key | number;
  readonly device: Device;
}

/** Named adapters on one network, which is built once and whose weights stay as they are. */
export interface Adapters {
  /** The parameters to build the network with: its layers look up here what to add. Several may be wrapped around one another, and all add. */
  wrap(p: Params): Params;
  /** Paths and shapes of the layers built so far. */
  readonly layers: ReadonlyMap<string, Layer>;
  /** Makes an adapter. It belongs to no scope and is not used yet. @throws SnoopiError when the name is taken or no layer matches. */
  add(name: string, options: AdapterOptions): void;
  /** Makes an adapter of given tensors, named as {@link Adapters.tensors} does, which it keeps. @throws SnoopiError when they do not fit. */
  load(name: string, tensors: ReadonlyMap<string, Tensor>, options?: { readonly alpha?: number }): void;
  /** Its parameters by PEFT's names, `PATH.lora_A.weight` and `PATH.lora_B.weight`: what to train and to save. */
  tensors(name: string): Map<string, Tensor>;
  /** Chooses what the layers add from now on: the sum of these adapters, each by its factor; none of them by default. */
  use(...names: readonly string[]): void;
  /** Runs `fn` with these adapters and then restores the previous ones. `fn` is synchronous, as recording is. */
  with<R>(names: string | readonly string[], fn: () => R): R;
  readonly active: readonly string[];
  /** The weights that an adapter changes, with it added, in their own type: what to save to do without the adapter. */
  merged(name: string, weights: ReadonlyMap<string, Tensor>): Map<string, Tensor>;
  /** Frees an adapter. @throws SnoopiError inside of a {@link Adapters.with} that names it. */
  remove(name: string): void;
}

interface Pair {
  readonly a: Tensor;
  readonly b: Tensor;
}
interface Adapter {
  readonly factor: number;
  readonly pairs: ReadonlyMap<string, Pair>;
}

const suffixes = { a: ".lora_A.weight", b: ".lora_B.weight" };

export function adapters(): Adapters {
  const layers = new Map<string, Layer>();
  const all = new Map<string, Adapter>();
  let used: readonly string[] = [];
  // The names `with` sets while it runs: a checkpointed block that is recomputed later sees them again.
  const within = surrounding<readonly string[]>();
  const active = () => within.get() ?? used;
  // The names of every `with` that runs, nested ones as well.
  const held: string[] = [];

  function get(name: string): Adapter {
    const found = all.get(name);
    if (found) return found;
    throw new SnoopiError(`lora: there is no adapter "${name}" among ${list([...all.keys()])}. Add it first.`);
  }
  function claim(name: string): void {
    if (all.has(name)) throw new SnoopiError(`lora: the adapter "${name}" is there already. Remove it first, or take another name.`);
  }
  function chosen(names: readonly string[]): readonly string[] {
    for (const name of names) get(name);
    return [...names];
  }

  return {
    layers,
    wrap,
    add(name, { match, rank, alpha = rank, init, key = 0, device }) {
      claim(name);
      if (!(Number.isSafeInteger(rank) && rank > 0)) throw new SnoopiError(`lora: the rank is ${rank}. Give a whole number above 0.`);
      const matches = typeof match === "function" ? match : (path: string) => !match || match.some((pattern) => pattern.test(path));
      const paths = [...layers.keys()].filter(matches);
      if (paths.length === 0) {
        throw new SnoopiError(
          `lora: no layer of ${list([...layers.keys()])} matches. Build the network with wrap(params) first, or change match.`,
        );
      }
      const base = typeof key === "number" ? keyFromSeed(key) : key;
      const draw = init ?? ((_: string, shape: Shape, i: number) => spread(shape, foldIn(base, i), device));
      const pairs = paths.map((path, i): [string, Pair] => {
        const [a, b] = shapesOf(layers.get(path)!, rank);
        return [path, { a: keep(scope(() => draw(`${path}${suffixes.a}`, a, i))), b: keep(zeros(b, { device })) }];
      });
      all.set(name, { factor: alpha / rank, pairs: new Map(pairs) });
    },
    load(name, tensors, { alpha } = {}) {
      claim(name);
      all.set(name, adapterOf(tensors, layers, alpha));
    },
    tensors: (name) =>
      new Map(
        [...get(name).pairs].flatMap(([path, { a, b }]): [string, Tensor][] => [
          [path + suffixes.a, a],
          [path + suffixes.b, b],
        ]),
      ),
    use(...names) {
      used = chosen(names);
    },
    with(names, fn) {
      const these = chosen(typeof names === "string" ? [names] : names);
      held.push(...these);
      try {
        return within.with(these, fn);
      } finally {
        held.length -= these.length;
      }
    },
    get active() {
      return active();
    },
    merged(name, weights) {
      const { factor, pairs } = get(name);
      return new Map(
        [...pairs].map(([path, { a, b }]) => {
          const weight = weights.get(`${path}.weight`);
          if (!weight) throw new SnoopiError(`lora: there is no "${path}.weight" to merge into. Pass the weights of this network.`);
          return [`${path}.weight`, noGrad(() => scope(() => addLowRank(weight, [{ a, b, factor }])))];
        }),
      );
    },
    remove(name) {
      if (held.includes(name))
        throw new SnoopiError(`lora: the adapter "${name}" is removed inside of with(), which uses it. Remove it after.`);
      for (const { a, b } of get(name).pairs.values()) {
        a.dispose();
        b.dispose();
      }
      all.delete(name);
      used = used.filter((one) => one !== name);
    },
  };

  function wrap(p: Params): Params {
    const inner = (layer: Layer): Layer => (p.wrap ? { ...layer, call: p.wrap(layer) } : layer);
    return { path: p.path, at: (name) => wrap(p.at(name)), get: p.get, wrap: (layer) => site(p.path, inner(layer)) };
  }

  function site(path: string, layer: Layer): Layer["call"] {
    layers.set(path, layer);
    return (x) =>
      active().reduce((y, name) => {
        const { factor, pairs } = get(name);
        const pair = pairs.get(path);
        return pair ? add(y, mul(through(layer, pair, x), factor)) : y;
      }, layer.call(x));
  }
}

/** `B (A x)`: for a convolution A has its window and B is 1×1. */
const through = (layer: Layer, { a, b }: Pair, x: Tensor): Tensor =>
  layer.kind === "linear" ? linear(linear(x, a), b) : conv2d(conv2d(x, a, layer.window), b);

/** The shapes of A and B. */
function shapesOf(layer: Layer, rank: number): [a: Shape, b: Shape] {
  if (layer.kind === "linear")
    return [
      [rank, layer.width],
      [layer.out, rank],
    ];
  return [
    [rank, layer.width, layer.kernel, layer.kernel],
    [layer.out, rank, 1, 1],
  ];
}

function spread(shape: Shape, key: Key, device: Device): Tensor {
  const bound = 1 / Math.sqrt(shape.slice(1).reduce((n, d) => n * d, 1));
  return uniform(shape, { key, device })
    .mul(2 * bound)
    .sub(bound);
}

function adapterOf(tensors: ReadonlyMap<string, Tensor>, layers: ReadonlyMap<string, Layer>, alpha: number | undefined): Adapter {
  const paths = new Set<string>();
  for (const name of tensors.keys()) {
    const suffix = Object.values(suffixes).find((end) => name.endsWith(end));
    const path = suffix && name.slice(0, -suffix.length);
    if (!path || !layers.has(path))
      throw new SnoopiError(`lora: "${name}" belongs to no layer of this network. Strip what its names begin with.`);
    paths.add(path);
  }
  const ranks = new Set<number>();
  const pairs = new Map<string, Pair>();
  for (const path of paths) {
    const [a, b] = [tensors.get(path + suffixes.a), tensors.get(path + suffixes.b)];
    if (!a || !b) throw new SnoopiError(`lora: "${path}" has only ${a ? "lora_A" : "lora_B"}. Give both.`);
    const [wantedA, wantedB] = shapesOf(layers.get(path)!, a.shape[0]);
    if (show(a.shape) !== show(wantedA) || show(b.shape) !== show(wantedB)) {
      throw new SnoopiError(
        `lora: "${path}" has ${show(a.shape)} and ${show(b.shape)}, and the layer takes ${show(wantedA)} and ${show(wantedB)}. Load the adapter of this network.`,
      );
    }
    ranks.add(a.shape[0]);
    pairs.set(path, { a, b });
  }
  const [rank] = ranks;
  if (rank === undefined) throw new SnoopiError("lora: there are no tensors to load. Pass an adapter's.");
  if (ranks.size > 1) throw new SnoopiError(`lora: the layers have the ranks ${[...ranks].join(" and ")}. Load an adapter of one rank.`);
  for (const { a, b } of pairs.values()) for (const t of [a, b]) keep(t);
  return { factor: (alpha ?? rank) / rank, pairs };
}

/** Names for an error: a few of them. */
const list = (names: readonly string[]): string =>
  names.length === 0 ? "none" : `${names.slice(0, 4).join(", ")}${names.length > 4 ? `, … (${names.length})` : ""}`;
