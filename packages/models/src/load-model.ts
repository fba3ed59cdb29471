import { type Device, fromData, keep, type Shape, SnoopiError, type Tensor } from "@snoopi/core";
import { matchWeights, requireMatch } from "./checkpoint/match.ts";
import type { NameRule } from "./checkpoint/names.ts";
import { floatTypes } from "./checkpoint/safetensors-dtype.ts";
import type { TensorReader } from "./checkpoint/safetensors-read.ts";
import type { LoraChange } from "./lora/match.ts";
import { withChanges } from "./lora/merge.ts";

export interface LoadOptions {
  readonly device: Device;
  /** Type of the parameters in memory. Default: f16 where the file says F16, else f32. */
  readonly dtype?: "f32" | "f16";
  /** What LoRAs add to parameters, by their names: see `matchLoras`. */
  readonly changes?: ReadonlyMap<string, readonly LoraChange[]>;
  /** Called after each tensor with the bytes read and to be read, as stored. */
  readonly onBytes?: (done: number, total: number) => void;
  /** Stops between two tensors. */
  readonly signal?: AbortSignal;
}

export interface LoadedTensors {
  /** By the names of the manifest. They belong to no scope and live until `dispose()`. */
  readonly tensors: ReadonlyMap<string, Tensor>;
  /** Names in the file that the network does not have: worth a warning. */
  readonly unexpected: readonly string[];
}

/** Bytes after which to wait for the device, so that copies on their way to it do not pile up beside the weights. */
const perWait = 128 * 2 ** 20;

/**
 * Reads all parameters of a network from a checkpoint, in the file's order; older names and ranks are accepted. Throws before it reads
 * anything when parameters are missing, of another shape or not floats, and lists all of them.
 */
export async function loadTensors(
  kind: NameRule,
  weights: TensorReader,
  { manifest, device, dtype, changes, onBytes, signal }: LoadOptions & { readonly manifest: ReadonlyMap<string, Shape> },
): Promise<LoadedTensors> {
  const match = matchWeights(kind, weights.entries, manifest);
  requireMatch(match, weights.name);
  const plan = [...match.names].map(([name, stored]) => ({ name, stored, entry: weights.entries.get(stored)! }));
  const others = plan.filter(({ entry }) => !floatTypes.has(entry.dtype)).map(({ stored, entry }) => `${stored} (${entry.dtype})`);
  if (others.length > 0) {
    throw new SnoopiError(
      `${weights.name}: ${others.length} parameters are no floats but quantised: ${others.join(", ")}. Give F32, F16 or BF16 weights.`,
    );
  }

  const order = new Map([...weights.entries.keys()].map((stored, i) => [stored, i]));
  plan.sort((a, b) => order.get(a.stored)! - order.get(b.stored)!);
  const total = plan.reduce((sum, { entry }) => sum + entry.end - entry.start, 0);
  const tensors = new Map<string, Tensor>();
  let [done, waiting] = [0, 0];
  try {
    for (const { name, stored, entry } of plan) {
      signal?.throwIfAborted();
      const read = await weights.read(stored, { dtype: dtype ?? (entry.dtype === "F16" ? "f16" : "f32") });
      // The manifest's shape, not the file's: they may differ in ones at the end.
      const tensor = keep(fromData(read.data, { shape: manifest.get(name)!, dtype: read.dtype, device }));
      tensors.set(name, tensor);
      const added = changes?.get(name);
      if (added) {
        tensors.set(name, await withChanges(tensor, added, device));
        tensor.dispose();
      }
      done += entry.end - entry.start;
      waiting += read.data.byteLength;
      if (waiting >= perWait) {
        waiting = 0;
        device.submit();
        await device.idle();
      }
      onBytes?.(done, total);
    }
    return { tensors, unexpected: match.unexpected };
  } catch (error) {
    for (const tensor of tensors.values()) tensor.dispose();
    throw error;
  }
}
