import { SnoopiError } from "@snoopi/core";
import type { JsonObject } from "../checkpoint/folder.ts";

/** What a layer's B A is multiplied by. */
export type LoraFactor = (module: string, rank: number) => number;

/**
 * `alpha / rank`, or `alpha / √rank` (rsLoRA), by the keys of PEFT's LoraConfig, in which single layers may have an alpha of their own.
 *
 * @throws SnoopiError for a configuration of more than plain pairs.
 */
export function peftFactor(config: JsonObject, name: string): LoraFactor {
  if (config.use_dora === true) throw new SnoopiError(`${name}: it is a DoRA, and only plain low-rank pairs are supported.`);
  const patterns = Object.entries((config.alpha_pattern ?? {}) as JsonObject);
  const odd = patterns.find(([pattern]) => !/^[\w.]+$/.test(pattern));
  if (odd) {
    throw new SnoopiError(
      `${name}: alpha_pattern has the expression ${JSON.stringify(odd[0])}, and only the ends of layers' paths are supported.`,
    );
  }
  return (module, rank) => {
    const own = patterns.find(([pattern]) => module === pattern || module.endsWith(`.${pattern}`));
    const alpha = own ? own[1] : (config.lora_alpha ?? rank);
    if (typeof alpha !== "number" || !Number.isFinite(alpha))
      throw new SnoopiError(`${name}: the alpha of ${module} is ${JSON.stringify(alpha)}, expected a number.`);
    return alpha / (config.use_rslora === true ? Math.sqrt(rank) : rank);
  };
}

/**
 * The configurations that diffusers writes into a file's header, by what its names begin with: `unet.lora_alpha` is `lora_alpha` of `unet`.
 * None for a file without.
 */
export function headerConfigs(metadata: ReadonlyMap<string, string>, name: string): Map<string, JsonObject> {
  const text = metadata.get("lora_adapter_metadata");
  const configs = new Map<string, JsonObject>();
  if (text === undefined) return configs;
  let json: unknown;
  try {
    json = JSON.parse(text);
  } catch (error) {
    throw new SnoopiError(`${name}: lora_adapter_metadata in the header is not JSON (${(error as Error).message}).`);
  }
  for (const [key, value] of Object.entries(json as JsonObject)) {
    const [component, ...field] = key.split(".");
    configs.set(component, { ...configs.get(component), [field.join(".")]: value });
  }
  return configs;
}
