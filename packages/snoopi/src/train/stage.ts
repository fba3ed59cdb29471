import { type Device, fromData, type Shape, type Tensor } from "@snoopi/core";

/** Numbers on the host, on their way to a device. */
export interface Numbers {
  readonly shape: Shape;
  readonly data: Float32Array | Int32Array;
}

/** The inputs of one step. */
export type Batch = Readonly<Record<string, Numbers>>;

/** Weights by their names in files. */
export type Weights = ReadonlyMap<string, Numbers>;

/** Something that is trained: its parameters, its batches and its loss. */
export interface Stage {
  readonly name: string;
  readonly device: Device;
  /** All that is trained, f32, by its name in files. The tensors belong to the stage. */
  readonly parameters: Readonly<Record<string, Tensor>>;
  /** Batch `index`, that of step `index` if a step has one. It depends on stage and index alone, so that a resumed run sees the same. */
  batch(index: number): Batch;
  /** Scalars of a batch by name, of which `loss` is minimised. It is recorded once: what changes from step to step comes in the batch. */
  loss(batch: Readonly<Record<string, Tensor>>): { readonly loss: Tensor } & Readonly<Record<string, Tensor>>;
}

/** A batch on its device. */
export const uploaded = (batch: Batch, device: Device): Record<string, Tensor> =>
  Object.fromEntries(
    Object.entries(batch).map(([name, { shape, data }]) => [
      name,
      fromData(data, { shape, dtype: data instanceof Int32Array ? "i32" : "f32", device }),
    ]),
  );
