import { empty } from "./create.ts";
import { createDryDevice, type DryOptions } from "./dry.ts";
import type { DType } from "./dtype.ts";
import { realize } from "./realize.ts";
import { scope } from "./scope.ts";
import type { Shape } from "./shape.ts";
import type { Tensor } from "./tensor.ts";
import { isRecord, leaves } from "./tree.ts";

/** A tensor that is not there yet. `dtype` is f32 unless given. */
export interface TensorSpec {
  readonly shape: Shape;
  readonly dtype?: DType;
}

/** A tree with specs in place of tensors. */
export type SpecsOf<T> = T extends Tensor
  ? TensorSpec
  : T extends (...args: never) => unknown
    ? T
    : T extends ReadonlyMap<infer K, infer V>
      ? ReadonlyMap<K, SpecsOf<V>>
      : T extends object
        ? { readonly [K in keyof T]: SpecsOf<T[K]> }
        : T;

/** What running a program takes. Bytes include its arguments. */
export interface Cost {
  /** The most that live tensors hold together. */
  readonly peakBytes: number;
  /** What arguments, results and whatever else the program keeps hold together after it has run. */
  readonly bytes: number;
  /** The most that live tensors and freed blocks kept for reuse hold together. */
  readonly peakDeviceBytes: number;
  /** Kernels started. */
  readonly dispatches: number;
  readonly flops: number;
}

/**
 * What running `fn` takes, without running it: it is called with tensors of the given shapes on a device that computes nothing, and what it
 * returns (tensors, alone or in arrays and plain objects) is realized together. `args` holds a tree of `{ shape, dtype }` for each
 * argument; other values in it pass through. `fn` may be async and realize on the way, but must not read values. Tensors that it makes
 * outside of a `scope` count to the end, as in a real run.
 *
 * Without `options` bytes are those of JavaScript arrays and every call is one kernel. For a GPU give `webgpuPlan(device.facts)` of
 * `@snoopi/kernels`: then the kernels that would really run are counted, with the memory they need.
 * @throws SnoopiError when `fn` reads a value.
 */
export async function estimate<A extends readonly unknown[]>(
  fn: (...args: A) => unknown,
  args: SpecsOf<A>,
  options: DryOptions = {},
): Promise<Cost> {
  const device = createDryDevice(options);
  const tensorOf = ({ shape, dtype = "f32" }: TensorSpec) => empty(shape, { dtype, device });
  return scope(async (s) => {
    const results = await s.run(() => fn(...(fill(args, tensorOf) as unknown as A)));
    await realize(leaves(results));
    const { bytes, peakBytes, peakDeviceBytes } = device.memory();
    return { peakBytes, bytes, peakDeviceBytes, dispatches: device.dispatches, flops: device.flops };
  });
}

const isSpec = (value: Record<string, unknown>): boolean => Array.isArray(value.shape) && value.shape.every(Number.isInteger);

function fill(tree: unknown, tensorOf: (spec: TensorSpec) => Tensor): unknown {
  if (Array.isArray(tree)) return tree.map((v) => fill(v, tensorOf));
  if (tree instanceof Map) return new Map([...tree].map(([k, v]) => [k, fill(v, tensorOf)]));
  if (!isRecord(tree)) return tree;
  if (isSpec(tree)) return tensorOf(tree as unknown as TensorSpec);
  return Object.fromEntries(Object.entries(tree).map(([k, v]) => [k, fill(v, tensorOf)]));
}
