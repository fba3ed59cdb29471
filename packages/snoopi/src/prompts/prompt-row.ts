/** Where reading goes on: after how many lines (or rows), and how many bytes. Data, to be kept as JSON. */
export interface PromptCursor {
  readonly line: number;
  /** Of the decompressed text; 0 for Parquet. */
  readonly byte: number;
  /** Which of several files, from 0. Default the first. */
  readonly file?: number;
}

export const promptStart: PromptCursor = { line: 0, byte: 0 };

/** A prompt and where it stands. */
export interface PromptRow {
  readonly prompt: string;
  /** Its line or row, from 1. */
  readonly line: number;
  /** The byte at which its line ends. */
  readonly end: number;
  /** Of several files, the number of its own. */
  readonly file?: number;
}

/** Where reading goes on after a row. */
export const cursorAfter = ({ line, end, file }: PromptRow): PromptCursor => ({ line, byte: end, ...(file !== undefined && { file }) });

/** What may be wrong with a line, each with its words in a summary. */
export const badReasons = {
  notUtf8: "not UTF-8",
  control: "with NUL or other control characters",
  notUnicode: "with half a surrogate pair",
  notJson: "not a JSON object",
  noField: "without a text in the field",
  empty: "empty",
  tooLong: "too long",
} as const;

export type BadReason = keyof typeof badReasons;

/** A line that is skipped. */
export interface BadPrompt {
  readonly file: string;
  readonly line: number;
  readonly reason: BadReason;
}

/** Rows as they are read, and a summary so far. It can be read once. */
export interface PromptStream extends AsyncIterable<PromptRow> {
  readonly summary: PromptSummary;
}

/** What can be read again and again, from any of its cursors. */
export interface PromptSource {
  /** Named in errors. */
  readonly name: string;
  /** Shows whether it has changed: bytes of the file, or the length of a list. */
  readonly size: number;
  read(from?: PromptCursor): PromptStream;
}

/** How reading went so far. */
export interface PromptSummary {
  readonly file: string;
  /** What a line is called: a row in Parquet. */
  readonly unit: "line" | "row";
  readonly lines: number;
  readonly used: number;
  /** Skipped lines by what is wrong with them: how many, and the first few. Empty for several files, which have their own. */
  readonly bad: ReadonlyMap<BadReason, { readonly count: number; readonly first: readonly number[] }>;
  /** Of several files, those that were begun. */
  readonly files?: readonly PromptSummary[];
}
