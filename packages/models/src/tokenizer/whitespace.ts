import type { JsonObject } from "../checkpoint/folder.ts";

/**
 * Rewrites the patterns of a tokenizer.json to match in JavaScript what they match in the reference. There `\s` is Unicode's white space;
 * JavaScript's includes U+FEFF but not U+0085. ByteLevel's own pattern is written out for the same reason.
 */
export function unicodeSpaces<T extends JsonObject>(json: T): T {
  return { ...json, normalizer: rewrite(json.normalizer ?? null), pre_tokenizer: rewrite(json.pre_tokenizer ?? null) };
}

const byteLevel = "'s|'t|'re|'ve|'m|'ll|'d| ?\\p{L}+| ?\\p{N}+| ?[^\\s\\p{L}\\p{N}]+|\\s+(?!\\S)|\\s+";

const spaces: Readonly<Record<string, string>> = { "\\s": "\\p{White_Space}", "\\S": "\\P{White_Space}" };
// Every escape is matched as a pair, so that an s after an escaped backslash is left alone.
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
