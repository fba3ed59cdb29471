import { SnoopiError } from "@snoopi/core";

const MAX_DEPTH = 128;
const token = /[\t\n\r ,:]*("(?:[^"\\]|\\.)*"|[{}[\]]|[^\t\n\r ,:{}[\]"]+)/y;

/**
 * `JSON.parse` that also refuses duplicate keys (`JSON.parse` keeps the last), lone surrogates, deep nesting, and, under the keys in
 * `integers`, numbers not written as plain integers (`2.0` and `1e0` parse to integers).
 */
export function parseStrictJson(text: string, options: { name: string; integers?: ReadonlySet<string> }): unknown {
  const { name, integers = new Set<string>() } = options;
  const refuse = (problem: string): never => {
    throw new SnoopiError(`${name}: ${problem}. The file is damaged or was not made by a safetensors writer.`);
  };
  let value: unknown;
  try {
    value = JSON.parse(text);
  } catch (error) {
    return refuse(`the JSON cannot be parsed (${(error as Error).message})`);
  }
  // The text is valid JSON now, so the walk below only keeps track of where it is.
  const open: Level[] = [];
  token.lastIndex = 0;
  let expectsKey = false;
  for (let match = token.exec(text); match !== null; match = token.exec(text)) {
    const word = match[1];
    const top = open.at(-1);
    if (word === "{" || word === "[") {
      open.push({ keys: word === "{" ? new Set() : undefined, key: word === "{" ? "" : (top?.key ?? "") });
      if (open.length > MAX_DEPTH) refuse(`the JSON is nested more than ${MAX_DEPTH} deep`);
      expectsKey = word === "{";
      continue;
    }
    if (word === "}" || word === "]") open.pop();
    else if (word[0] === '"') {
      const string = JSON.parse(word) as string;
      if (/\p{Surrogate}/u.test(string)) refuse(`the string ${word} is not valid Unicode`);
      if (expectsKey && top?.keys) {
        if (top.keys.has(string)) refuse(`the key ${word} is given twice`);
        top.keys.add(string);
        top.key = string;
        expectsKey = false;
        continue;
      }
    } else if (top !== undefined && integers.has(top.key) && !/^(0|[1-9]\d*)$/.test(word)) {
      refuse(`${top.key} holds ${word}, which is not a whole number`);
    }
    expectsKey = open.at(-1)?.keys !== undefined;
  }
  return value;
}

interface Level {
  /** The keys seen, in an object; an array has none. */
  keys: Set<string> | undefined;
  /** The key the next value belongs to; an array's elements belong to the array's key. */
  key: string;
}
