import type { JsonObject } from "../checkpoint/folder.ts";

/**
 * A tokenizer.json whose patterns mean to JavaScript what they mean to the reference. `\s` is Unicode's white space there; JavaScript's
 * takes U+FEFF for a space and U+0085 for none. ByteLevel's own pattern is written out for the same reason.
 */
export function unicodeSpaces<T extends JsonObject>(json: T): T {
  return { ...json, normalizer: rewrite(json.normalizer ?? null), pre_tokenizer: rewrite(json.pre_tokenizer ?? null) };
}

const byteLevel = "'s|'t|'re|'ve|'m|'ll|'d| ?\\p{L}+| ?\\p{N}+| ?[^\\s\\p{L}\\p{N}]+|\\s+(?!\\S)|\\s+";

const spaces: Readonly<Record<string, string>> = { "\\s": "\\p{White_Space}", "\\S": "\\P{White_Space}" };
// Each escape is taken as a pair, so that the s of an escaped backslash and an s is left alone.
const withUnicodeSpaces = (pattern: string) => pattern.replace(/\\./gsu, (pair) => spaces[pair] ?? pair);

function rewrite(part: unknown): unknown {
  if (Array.isArray(part)) return part.map(rewrite);
  if (typeof part !== "object" || part === null) return part;
  const fields = part as JsonObject;
  if (fields.type === "ByteLevel" && fields.use_regex !== false) {
    const split = { type: "Split", pattern: { Regex: withUnicodeSpaces(byteLevel) }, behavior: "Isolated", invert: true };
    return { type: "Sequence", pretokenizers: [split, { ...fields, use_regex: false }] };
  }
  return Object.fromEntries(
    Object.entries(fields).map(([key, value]) => [
      key,
      key === "Regex" && typeof value === "string" ? withUnicodeSpaces(value) : rewrite(value),
    ]),
  );
}
