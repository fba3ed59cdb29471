import type { BadReason } from "./prompt-row.ts";

/** What a line came to. */
export type Parsed = { readonly prompt: string } | { readonly bad: BadReason };

export interface PromptTextOptions {
  /** The most UTF-16 units of a prompt. */
  readonly maxLength: number;
}

// Tabs and line ends may stand in a prompt from JSON; other control characters say that a file is no text.
const control = /[\p{Cc}]/u;
const allowed = /[\t\n\r]/g;
const halfPair = /\p{Surrogate}/u;

/** A text as a prompt: without white space around it, or what is wrong with it. */
export function promptText(text: string, { maxLength }: PromptTextOptions): Parsed {
  const prompt = text.trim();
  if (prompt === "") return { bad: "empty" };
  if (prompt.length > maxLength) return { bad: "tooLong" };
  if (control.test(prompt) && control.test(prompt.replace(allowed, " "))) return { bad: "control" };
  if (halfPair.test(prompt)) return { bad: "notUnicode" };
  return { prompt };
}

/** UTF-8 as text without a byte order mark; `undefined` for bytes that are none. */
export function utf8Reader(): (bytes: Uint8Array) => string | undefined {
  const decoder = new TextDecoder("utf-8", { fatal: true });
  return (bytes) => {
    try {
      return decoder.decode(bytes);
    } catch {
      return undefined;
    }
  };
}
