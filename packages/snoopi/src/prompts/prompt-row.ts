/** Where reading goes on: how many lines (or rows) are behind, and how many bytes. Data, to be kept as JSON. */
export interface PromptCursor {
  readonly line: number;
  /** Of the text as it is once decompressed; of Parquet 0. */
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

/** What is wrong with a line, each with what it is called where several are counted. */
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

/** Rows as they are read, and what has been read so far. It is read once. */
export interface PromptStream extends AsyncIterable<PromptRow> {
  readonly summary: PromptSummary;
}

/** What can be read again and again, from any of its cursors. */
export interface PromptSource {
  /** Stands in errors. */
  readonly name: string;
  /** Tells when it has changed: bytes of the file, or the length of a list. */
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
  /** Skipped lines by what is wrong with them: how many, and the first few. Of several files each has its own. */
  readonly bad: ReadonlyMap<BadReason, { readonly count: number; readonly first: readonly number[] }>;
  /** Of several files, those that were begun. */
  readonly files?: readonly PromptSummary[];
}
