import { readFileSync } from "node:fs";
import { join, resolve } from "node:path";
import { type Device, fromData, type Tensor } from "@snoopi/core";
import { fileSource } from "../../packages/models/src/checkpoint/node-source.ts";
import { openSafetensors } from "../../packages/models/src/checkpoint/safetensors-read.ts";

// Reads test/golden: what the reference libraries compute.

export const goldenFolder = resolve(import.meta.dirname, "../golden");

export const goldenJson = (path: string) => JSON.parse(readFileSync(join(goldenFolder, `${path}.json`), "utf8"));

/** The tensors of `NAME.safetensors`, by their full names. */
export async function goldenTensors(path: string): Promise<(name: string, on?: { device: Device }) => Tensor> {
  const reader = await openSafetensors(await fileSource(join(goldenFolder, `${path}.safetensors`)), path);
  const all = new Map(await Promise.all([...reader.entries.keys()].map(async (name) => [name, await reader.read(name)] as const)));
  await reader.close();
  return (name, on) => {
    const found = all.get(name);
    if (!found) throw new Error(`the golden ${path} has no tensor "${name}"`);
    return fromData(found.data, { ...found, ...on });
  };
}

/** `‖a − b‖ / ‖b‖`, in f64; NaN where anything is. */
export async function relativeError(a: Tensor, b: Tensor): Promise<number> {
  if (a.shape.join() !== b.shape.join()) throw new Error(`[${a.shape}] cannot be compared with [${b.shape}]`);
  const [x, y] = [await a.data(), await b.data()];
  let [difference, size] = [0, 0];
  for (let i = 0; i < y.length; i++) {
    difference += (x[i] - y[i]) ** 2;
    size += y[i] ** 2;
  }
  return Math.sqrt(difference / size);
}

/** A manifest as the golden lists it, in the order of the names. */
export const sorted = (shapes: ReadonlyMap<string, readonly number[]>): Record<string, readonly number[]> =>
  Object.fromEntries([...shapes].sort(([a], [b]) => (a < b ? -1 : 1)));
