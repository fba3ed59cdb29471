import { type Parsed, type PromptTextOptions, promptText, utf8Reader } from "./prompt-text.ts";

/** Fields that are looked for, in this order, where none is named. */
export const usualColumns: readonly string[] = ["prompt", "text", "caption"];

export interface ParseOptions extends PromptTextOptions {
  /** The field of a JSON object. Default: the first of {@link usualColumns} that it has. */
  readonly column?: string;
}

/** A numbered line and the result of parsing it. */
export interface ParsedLine {
  readonly line: number;
  readonly end: number;
  readonly parsed: Parsed;
}

/** Bytes of a line to a prompt: the line itself, or a field of the JSON object in it. */
export function lineParser(format: "text" | "jsonl", options: ParseOptions): (bytes: Uint8Array) => Parsed {
  const read = utf8Reader();
  const columns = options.column === undefined ? usualColumns : [options.column];
  const parse = format === "text" ? promptText : jsonPrompt;
  return (bytes) => {
    const text = read(bytes);
    return text === undefined ? { bad: "notUtf8" } : parse(text, options);
  };

  function jsonPrompt(text: string): Parsed {
    if (text.trim() === "") return { bad: "empty" };
    const object = parsed(text);
    if (typeof object !== "object" || object === null || Array.isArray(object)) return { bad: "notJson" };
    const column = columns.find((name) => Object.hasOwn(object, name));
    const value = column === undefined ? undefined : (object as Record<string, unknown>)[column];
    return typeof value === "string" ? promptText(value, options) : { bad: "noField" };
  }
}

function parsed(text: string): unknown {
  try {
    return JSON.parse(text);
  } catch {
    return undefined;
  }
}
