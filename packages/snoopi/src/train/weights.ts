import { type Device, fromData, keep, type Tensor } from "@snoopi/core";
import { load, type Params, params } from "@snoopi/models";
import type { Weights } from "./stage.ts";

/** Runs `use` with a network of weights from the host, which are on `device` for as long. */
export async function withNetwork<N, R>(
  weights: Weights,
  device: Device,
  { build, use }: { readonly build: (p: Params) => N; readonly use: (network: N) => Promise<R> },
): Promise<R> {
  const tensors = new Map<string, Tensor>();
  try {
    for (const [name, { shape, data }] of weights) tensors.set(name, keep(fromData(data, { shape, dtype: "f32", device })));
    return await use(build(params(load(tensors))));
  } finally {
    for (const t of tensors.values()) t.dispose();
  }
}
