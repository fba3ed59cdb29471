import { SnoopiError } from "@snoopi/core";
import { isObject } from "./schema.ts";

/**
 * A copy of a config with some keys overridden, each as `method.teacherKappa=[0.5, 4]`: the value is JSON, or else the text itself.
 * @throws SnoopiError for a word without `=`, for a key set twice, and for one inside something that is not an object.
 */
export function withKeys(json: unknown, said: readonly string[]): unknown {
  const result = structuredClone(json ?? {});
  const seen = new Set<string>();
  for (const one of said) {
    const [, key, text] = /^([^=]+)=(.*)$/s.exec(one) ?? [];
    if (key === undefined)
      throw new SnoopiError(`config: ${JSON.stringify(one)} sets no key. Write KEY=VALUE, such as method.loraKappa=4.5.`);
    if (seen.has(key)) throw new SnoopiError(`config: ${key} is set twice. Set it once.`);
    seen.add(key);
    const path = key.split(".");
    const last = path.pop()!;
    let at: unknown = result;
    for (const part of path) {
      if (!isObject(at)) break;
      // Only own keys count: one named like a property that every object inherits is left to the schema to refuse.
      if (!Object.hasOwn(at, part)) put(at, part, {});
      at = at[part];
    }
    if (!isObject(at)) throw new SnoopiError(`config: ${key} is inside of what is no object. Set a key that ends at a value.`);
    put(at, last, valueIn(text));
  }
  return result;
}

const put = (at: Record<string, unknown>, key: string, value: unknown) =>
  Object.defineProperty(at, key, { value, enumerable: true, writable: true, configurable: true });

function valueIn(text: string): unknown {
  try {
    return JSON.parse(text);
  } catch {
    return text;
  }
}
