import { type Shape, SnoopiError, show, sizeOf } from "@snoopi/core";
import type { Lora, LoraLayer } from "./lora.ts";
import { type LoraComponent, loraKeysOf } from "./names.ts";

/** A LoRA and how strongly it counts. */
export interface LoraUse {
  readonly lora: Lora;
  /** Default 1. */
  readonly scale?: number;
}

/** One pair that is read when its weight is. */
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

/**
 * Which weights of a model LoRAs change. `networks` has the shapes of all parameters by component.
 *
 * @throws SnoopiError for a LoRA of another model: none of its layers is there, or some are of another size.
 */
export function matchLoras(uses: readonly LoraUse[], networks: ReadonlyMap<LoraComponent, ReadonlyMap<string, Shape>>): LoraMatch {
  const places = new Map<string, { component: LoraComponent; name: string; shape: Shape }>();
  for (const [component, shapes] of networks) {
    for (const [name, shape] of shapes) {
      if (!name.endsWith(".weight") || shape.length < 2) continue;
      for (const key of loraKeysOf(component, name.slice(0, -".weight".length))) places.set(key, { component, name, shape });
    }
  }
  const changes = new Map<string, Map<string, LoraChange[]>>();
  const unexpected = new Map<Lora, string[]>();
  for (const { lora, scale = 1 } of uses) {
    if (!Number.isFinite(scale)) throw new SnoopiError(`${lora.name}: its scale is ${scale}, expected a finite number.`);
    const strange: string[] = [];
    for (const [key, layer] of lora.layers) {
      const place = places.get(key);
      if (!place) {
        strange.push(layer.module);
        continue;
      }
      checkSize(lora, layer, place);
      const own = changes.get(place.component) ?? new Map<string, LoraChange[]>();
      changes.set(place.component, own.set(place.name, [...(own.get(place.name) ?? []), { lora, layer, scale }]));
    }
    if (strange.length === lora.layers.size) {
      throw new SnoopiError(
        `${lora.name}: none of its ${strange.length} layers is one of this model's, such as ${strange[0]}. It was made for another model.`,
      );
    }
    if (strange.length > 0) unexpected.set(lora, strange);
  }
  return { changes, unexpected };
}

function checkSize(
  { name: file, entries }: Lora,
  { module, down, up }: LoraLayer,
  { name, shape }: { readonly name: string; readonly shape: Shape },
): void {
  const [a, b] = [entries.get(down)!.shape, entries.get(up)!.shape];
  if (b[0] === shape[0] && sizeOf(a.slice(1)) === sizeOf(shape.slice(1))) return;
  throw new SnoopiError(
    `${file}: ${module} is made for a weight of ${b[0]} × ${sizeOf(a.slice(1))}, and ${name} is ${show(shape)}. It was made for another model.`,
  );
}
