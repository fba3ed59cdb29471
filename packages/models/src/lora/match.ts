import { type Shape, SnoopiError, show, sizeOf } from "@snoopi/core";
import type { Lora, LoraLayer } from "./lora.ts";
import { isTextKey, type LoraComponent, loraKeysOf } from "./names.ts";

/** A LoRA and its strength. */
export interface LoraUse {
  readonly lora: Lora;
  /** Default 1. */
  readonly scale?: number;
}

/** One pair, to be read when its weight is. */
export interface LoraChange {
  readonly lora: Lora;
  readonly layer: LoraLayer;
  readonly scale: number;
}

export interface LoraMatch {
  /** Component → parameter → what is added to it. */
  readonly changes: ReadonlyMap<string, ReadonlyMap<string, readonly LoraChange[]>>;
  /** By LoRA: layers that the model does not have, in the file's words. Worth a warning. */
  readonly unexpected: ReadonlyMap<Lora, readonly string[]>;
}

/** A parameter of a model. */
interface Place {
  readonly component: LoraComponent;
  readonly name: string;
  readonly shape: Shape;
}

/**
 * Which weights of a model LoRAs change. `networks` has the shapes of all parameters by component.
 *
 * @throws SnoopiError for a LoRA of another model: none of its layers is there, or none but the text encoder's, or some are of another size. Also
 * for one that has a layer under two names.
 */
export function matchLoras(uses: readonly LoraUse[], networks: ReadonlyMap<LoraComponent, ReadonlyMap<string, Shape>>): LoraMatch {
  const places = new Map<string, Place>();
  for (const [component, shapes] of networks) {
    for (const [name, shape] of shapes) {
      if (!name.endsWith(".weight") || shape.length < 2) continue;
      const place = { component, name, shape };
      for (const key of loraKeysOf(component, name.slice(0, -".weight".length))) places.set(key, place);
    }
  }
  const changes = new Map<string, Map<string, LoraChange[]>>();
  const unexpected = new Map<Lora, string[]>();
  for (const { lora, scale = 1 } of uses) {
    if (!Number.isFinite(scale)) throw new SnoopiError(`${lora.name}: its scale is ${scale}, expected a finite number.`);
    const strange: string[] = [];
    const met = new Map<Place, string>();
    for (const [key, layer] of lora.layers) {
      const place = places.get(key);
      if (!place) {
        strange.push(layer.module);
        continue;
      }
      checkSize(lora, layer, place);
      const same = met.get(place);
      if (same !== undefined) throw new SnoopiError(`${lora.name}: ${same} and ${layer.module} are the same layer, ${place.name}.`);
      met.set(place, layer.module);
      const own = changes.get(place.component) ?? new Map<string, LoraChange[]>();
      changes.set(place.component, own.set(place.name, [...(own.get(place.name) ?? []), { lora, layer, scale }]));
    }
    refuseStranger(lora, places);
    if (strange.length > 0) unexpected.set(lora, strange);
  }
  return { changes, unexpected };
}

/** Many models share a text encoder, so a LoRA has to match in the network that denoises, unless it is for text alone. */
function refuseStranger({ name, layers }: Lora, places: ReadonlyMap<string, Place>): void {
  const denoising = [...layers].filter(([key]) => !isTextKey(key));
  const telling = denoising.length > 0 ? denoising : [...layers];
  if (telling.some(([key]) => places.has(key))) return;
  const beside = telling.length < layers.size ? " beside the text encoder's" : "";
  throw new SnoopiError(
    `${name}: none of its ${telling.length} layers${beside} is one of this model's, such as ${telling[0][1].module}. It was made for another model, or has names of another kind.`,
  );
}

function checkSize({ name: file, entries }: Lora, { module, down, up }: LoraLayer, { name, shape }: Place): void {
  const [a, b] = [entries.get(down)!.shape, entries.get(up)!.shape];
  if (b[0] === shape[0] && sizeOf(a.slice(1)) === sizeOf(shape.slice(1))) return;
  throw new SnoopiError(
    `${file}: ${module} is made for a weight of ${b[0]} × ${sizeOf(a.slice(1))}, and ${name} is ${show(shape)}. It was made for another model.`,
  );
}
