import type { Hash } from "node:crypto";
import { readFile } from "node:fs/promises";
import { SnoopiError } from "@snoopi/core";

/** The lines of a UTF-8 text file that are not blank. What is no text is skipped, and said with its line's number. */
export async function readLines(
  path: string,
  { hash, onNote }: { readonly hash?: Hash; readonly onNote?: (line: string) => void } = {},
): Promise<string[]> {
  const bytes = await readFile(path).catch((error: NodeJS.ErrnoException) => {
    throw new SnoopiError(`${path}: it cannot be read, ${error.message}. Give a text file of a prompt a line.`);
  });
  hash?.update(bytes);
  const good: string[] = [];
  const bad: number[] = [];
  for (const [i, line] of bytes.toString("utf8").split(/\r?\n/).entries()) {
    const text = line.trim();
    if (text === "") continue;
    // U+FFFD stands for bytes that are no UTF-8.
    if (/[\p{Cc}\uFFFD]/u.test(text.replaceAll("\t", " "))) bad.push(i + 1);
    else good.push(text);
  }
  if (bad.length > 0)
    onNote?.(`${path}: skipped ${bad.length} lines that are no text: ${bad.slice(0, 10).join(", ")}${bad.length > 10 ? ", …" : ""}.`);
  if (good.length === 0) throw new SnoopiError(`${path}: there is no line of text. Give a prompt a line.`);
  return good;
}
