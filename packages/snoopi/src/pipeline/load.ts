import type { Device, Shape, Tensor } from "@snoopi/core";
import {
  type DiffusionNetwork,
  type LoraUse,
  latentDecoder,
  load,
  loadTensors,
  manifest,
  matchLoras,
  matchWeights,
  params,
  requireMatch,
} from "@snoopi/models";
import type { OpenModel } from "./open.ts";
import { type EncodeIds, type Network, needed } from "./shape.ts";

/** A text-to-image model in memory. */
export interface LoadedModel extends Disposable {
  readonly model: OpenModel;
  readonly device: Device;
  readonly encodeText: EncodeIds;
  readonly network: DiffusionNetwork;
  readonly decode: ReturnType<typeof latentDecoder>;
}

export interface LoadModelOptions {
  readonly device: Device;
  /** LoRAs to add to the weights as these are read. They stay open. */
  readonly loras?: readonly LoraUse[];
  /** Bytes read so far and in all. */
  readonly onBytes?: (done: number, total: number) => void;
  /** What is in the files and not in the networks: tensors, as `component: …`, and layers of LoRAs, as `FILE: …`. */
  readonly onWarning?: (text: string) => void;
  readonly signal?: AbortSignal;
}

/** Loads what making pictures needs: the text encoder, the network and the VAE's decoder. Weights stored in f16 stay f16. */
export async function loadModel(
  model: OpenModel,
  { device, loras = [], onBytes, onWarning, signal }: LoadModelOptions,
): Promise<LoadedModel> {
  const files = [];
  const tensors = new Map<string, ReadonlyMap<string, Tensor>>();
  const free = () => {
    for (const map of tensors.values()) for (const t of map.values()) t.dispose();
  };
  try {
    for (const network of model.networks)
      files.push({ network, weights: await model.weights(network.component), shapes: needed(network), whole: manifest(network.whole) });
    // All files are checked before any tensor is read: a fault in the last one should not cost the wait for the first.
    const sizes = files.map(({ network, weights, shapes }) => {
      const match = matchWeights(network.kind, weights.entries, shapes);
      requireMatch(match, weights.name);
      const entries = [...match.names.values()].map((name) => weights.entries.get(name)!);
      return entries.reduce((sum, { start, end }) => sum + end - start, 0);
    });
    const { changes, unexpected: strange } = matchLoras(loras, lorable(files));
    const total = sizes.reduce((a, b) => a + b, 0);
    for (const [lora, layers] of strange)
      onWarning?.(`${lora.name}: ignored ${layers.length} of its layers, which the model does not have: ${layers.join(", ")}.`);
    let before = 0;
    onBytes?.(0, total);
    for (const [i, { network, weights, shapes, whole }] of files.entries()) {
      const own = changes.get(network.component);
      const loaded = await loadTensors(network.kind, weights, {
        manifest: shapes,
        device,
        ...(own && { changes: own }),
        onBytes: (done) => onBytes?.(before + done, total),
        ...(signal && { signal }),
      });
      tensors.set(network.component, loaded.tensors);
      before += sizes[i];
      const { unexpected } = matchWeights(network.kind, weights.entries, whole);
      if (unexpected.length > 0)
        onWarning?.(
          `${network.component}: ignored ${unexpected.length} of the file's tensors, which the network does not have: ${unexpected.join(", ")}.`,
        );
    }
  } catch (error) {
    free();
    throw error;
  } finally {
    for (const { weights } of files) await weights.close();
  }
  const from = (component: string) => params(load(tensors.get(component)!));
  return {
    model,
    device,
    encodeText: model.text.build(from(model.text.component)),
    network: model.network.build(from(model.network.component)),
    decode: latentDecoder(from("vae"), model.vae),
    [Symbol.dispose]: free,
  };
}

/** The networks that a LoRA may change, with all of their parameters: all but the VAE. */
const lorable = (files: readonly { readonly network: Network; readonly whole: ReadonlyMap<string, Shape> }[]) =>
  new Map(files.flatMap(({ network: { component }, whole }) => (component === "vae" ? [] : [[component, whole] as const])));
