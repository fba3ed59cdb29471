import { statSync } from "node:fs";
import { SnoopiError } from "@snoopi/core";
import { joinedSource } from "../joined-source.ts";
import { lineParser, type ParsedLine } from "../parse-line.ts";
import { type BadPrompt, type PromptCursor, type PromptRow, type PromptSource, type PromptStream, promptStart } from "../prompt-row.ts";
import { type PromptTally, promptTally, refuseUnusable } from "../prompt-summary.ts";
import { type PromptFormat, promptFormat } from "./prompt-format.ts";
import { textLines } from "./text-rows.ts";

export interface ReadPromptsOptions {
  /** The field of JSON lines or column of Parquet. Default: the first of prompt, text and caption that is there. */
  readonly column?: string;
  /** Default: by the file's name. */
  readonly format?: PromptFormat["kind"];
  /** Where to begin. */
  readonly from?: PromptCursor;
  /** The most UTF-16 units of a prompt. Default 10,000. */
  readonly maxLength?: number;
  /** Called for each line that is skipped. */
  readonly onBad?: (bad: BadPrompt) => void;
}

/** The longest line of JSON, in bytes: fields other than the prompt may be long. */
const maxJsonBytes = 1 << 24;

/**
 * Reads prompts from a file, in memory that does not grow with it: a prompt a line (`.txt`), a JSON object a line (`.jsonl`, `.ndjson`),
 * either also compressed (`.gz`), or a column of Parquet (`.parquet`). Lines that are no prompt (empty, not UTF-8, with control characters,
 * not JSON, without the field, too long) are skipped, counted in `summary` and told to `onBad`.
 *
 * @throws SnoopiError for a file that cannot be read, and at its end if nothing in it can be used.
 */
export function readPrompts(path: string, options: ReadPromptsOptions = {}): PromptStream {
  const { from = promptStart } = options;
  const format = promptFormat(path, options);
  const tally = promptTally(path, format.kind === "parquet" ? "row" : "line");
  return {
    summary: tally.summary,
    async *[Symbol.asyncIterator]() {
      try {
        for await (const lines of parsedLines(path, { ...options, format, from })) yield* usable(lines, tally, options);
      } catch (error) {
        throw unreadable(path, tally, error as NodeJS.ErrnoException);
      }
      if (from.line === 0) refuseUnusable(tally.summary);
    },
  };
}

/** A file of prompts that is read again for each epoch. @throws SnoopiError when it is not there. */
export function promptFile(path: string, options: Omit<ReadPromptsOptions, "from"> = {}): PromptSource {
  promptFormat(path, options);
  try {
    return { name: path, size: statSync(path).size, read: (from = promptStart) => readPrompts(path, { ...options, from }) };
  } catch (error) {
    throw unreadable(path, undefined, error as NodeJS.ErrnoException);
  }
}

/** Files of prompts, read one after another. @throws SnoopiError when one is not there. */
export const promptFiles = (paths: readonly string[], options: Omit<ReadPromptsOptions, "from"> = {}): PromptSource =>
  joinedSource(paths.map((path) => promptFile(path, options)));

function* usable(
  lines: readonly ParsedLine[],
  { summary, used, skipped }: PromptTally,
  { onBad }: ReadPromptsOptions,
): Generator<PromptRow> {
  for (const { line, end, parsed } of lines) {
    if ("prompt" in parsed) {
      used();
      yield { prompt: parsed.prompt, line, end };
    } else {
      skipped(line, parsed.bad);
      onBad?.({ file: summary.file, line, reason: parsed.bad });
    }
  }
}

async function* parsedLines(
  path: string,
  {
    format,
    from,
    maxLength = 10_000,
    column,
  }: Omit<ReadPromptsOptions, "format"> & { readonly format: PromptFormat; readonly from: PromptCursor },
): AsyncGenerator<readonly ParsedLine[], void> {
  const named = { maxLength, ...(column !== undefined && { column }) };
  if (format.kind === "parquet") {
    // The library is loaded only when needed.
    const { parquetRows } = await import("./parquet-rows.ts");
    yield* parquetRows(path, { ...named, from });
    return;
  }
  const parse = lineParser(format.kind, named);
  // In UTF-8 a UTF-16 unit is at most three bytes; white space around a prompt may come on top.
  const maxBytes = format.kind === "text" ? 3 * maxLength + 1024 : maxJsonBytes;
  for await (const lines of textLines(path, { from, maxBytes, gzip: format.gzip })) {
    yield lines.map(({ line, end, bytes }) => ({ line, end, parsed: bytes ? parse(bytes) : { bad: "tooLong" } }));
  }
}

function unreadable(path: string, tally: PromptTally | undefined, error: NodeJS.ErrnoException): Error {
  if (error instanceof SnoopiError) return error;
  const { code = "" } = error;
  const cause = { cause: error };
  if (code === "ENOENT") return new SnoopiError(`${path}: there is no such file. Give a file of prompts.`, cause);
  if (code === "EISDIR") return new SnoopiError(`${path}: this is a folder. Give a file of prompts.`, cause);
  if (code.startsWith("Z_")) {
    const after = tally ? ` after ${tally.summary.lines} lines` : "";
    return new SnoopiError(`${path}: the compressed data is broken${after}, ${error.message}. Get the file again.`, cause);
  }
  if (code !== "") return new SnoopiError(`${path}: it cannot be read, ${error.message}.`, cause);
  return error;
}
