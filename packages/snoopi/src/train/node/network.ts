import type { Tensor } from "@snoopi/core";
import { type LoadOptions, load, loadTensors, manifest, type NameRule, type Params, params, type TensorReader } from "@snoopi/models";

export interface OpenNetwork<N> {
  readonly network: N;
  /** By the network's names. They belong to no scope: dispose of them. */
  readonly tensors: ReadonlyMap<string, Tensor>;
}

/** As {@link openNetwork}, by an owner that supplies the device, keeps the tensors and frees them. */
export type ReadNetwork = <N>(rule: NameRule, weights: TensorReader, build: (p: Params) => N) => Promise<OpenNetwork<N>>;

/** A network with the weights of a checkpoint, which is closed after. @throws SnoopiError as {@link loadTensors} does. */
export async function openNetwork<N>(
  rule: NameRule,
  weights: TensorReader,
  { build, ...options }: LoadOptions & { readonly build: (p: Params) => N },
): Promise<OpenNetwork<N>> {
  try {
    const { tensors } = await loadTensors(rule, weights, { ...options, manifest: manifest(build) });
    return { network: build(params(load(tensors))), tensors };
  } finally {
    await weights.close();
  }
}
