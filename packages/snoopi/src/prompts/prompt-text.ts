import type { BadReason } from "./prompt-row.ts";

/** The result of parsing a line. */
export type Parsed = { readonly prompt: string } | { readonly bad: BadReason };

export interface PromptTextOptions {
  /** The most UTF-16 units of a prompt. */
  readonly maxLength: number;
}

// A prompt from JSON may contain tabs and line ends; other control characters show that a file is not text.
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

/** Decodes UTF-8, without a byte order mark; `undefined` for bytes that are not UTF-8. */
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
