import { SnoopiError } from "@snoopi/core";
import { isJsonObject, type JsonObject } from "../checkpoint/folder.ts";

/** What a layer's B A is multiplied by, by its path in its own network. */
export type LoraFactor = (path: string, rank: number) => number;

/** Initialisations that PEFT derives from the weights, of which it keeps the residual: a pair can be added to that residual alone. */
const fromWeights = /^(pissa|olora|corda|loftq|lora_ga)/i;

/**
 * `alpha / rank`, or `alpha / √rank` (rsLoRA), from the keys of PEFT's LoraConfig. `alpha_pattern` gives single layers an alpha of their
 * own, by the end of their path, or by the whole path after a `^`.
 *
 * @throws SnoopiError for a configuration that is not of plain pairs.
 */
export function peftFactor(config: JsonObject, name: string): LoraFactor {
  const { use_dora: dora, init_lora_weights: begun, alpha_pattern: own } = config;
  if (dora === true) throw new SnoopiError(`${name}: it is a DoRA, and only plain low-rank pairs are supported.`);
  if (typeof begun === "string" && fromWeights.test(begun)) {
    throw new SnoopiError(
      `${name}: its init_lora_weights is ${JSON.stringify(begun)}, which changes the model's weights as well. Convert it to a plain LoRA with PEFT.`,
    );
  }
  if (!isJsonObject(own ?? {})) throw new SnoopiError(`${name}: alpha_pattern is ${JSON.stringify(own)}, expected an object.`);
  const patterns = Object.entries((own ?? {}) as JsonObject);
  const odd = patterns.find(([pattern]) => !/^\^?[\w.]+$/.test(pattern));
  if (odd) {
    throw new SnoopiError(
      `${name}: alpha_pattern has the expression ${JSON.stringify(odd[0])}, and only layers' paths and the ends of them are supported.`,
    );
  }
  return (path, rank) => {
    const found = patterns.find(([pattern]) => path === pattern.replace("^", "") || path.endsWith(`.${pattern}`));
    const alpha = found ? found[1] : (config.lora_alpha ?? rank);
    if (typeof alpha !== "number" || !Number.isFinite(alpha))
      throw new SnoopiError(`${name}: the alpha of ${path} is ${JSON.stringify(alpha)}, expected a number.`);
    return alpha / (config.use_rslora === true ? Math.sqrt(rank) : rank);
  };
}

/**
 * The configurations that diffusers writes into a file's header, by prefix: `unet.lora_alpha` is `lora_alpha` of `unet.`, and a plain
 * `lora_alpha` that of a network saved by itself. Empty for a file without.
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
  if (!isJsonObject(json)) throw new SnoopiError(`${name}: lora_adapter_metadata in the header is not a JSON object.`);
  for (const [key, value] of Object.entries(json)) {
    const prefix = key.slice(0, key.indexOf(".") + 1);
    configs.set(prefix, { ...configs.get(prefix), [key.slice(prefix.length)]: value });
  }
  return configs;
}
