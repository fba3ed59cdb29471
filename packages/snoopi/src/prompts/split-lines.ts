import type { PromptCursor } from "./prompt-row.ts";

/** A line's bytes without its end. */
export interface Line {
  /** From 1. */
  readonly line: number;
  /** The byte after its end. */
  readonly end: number;
  /** Absent when there were more than `maxBytes`. */
  readonly bytes?: Uint8Array;
}

const newline = 10;

/**
 * Cuts bytes that come in pieces into lines at `\n` (a `\r` before it stays). It holds at most one line of `maxBytes` in memory; the bytes
 * of a longer one are dropped.
 */
export function lineSplitter({ from, maxBytes }: { readonly from: PromptCursor; readonly maxBytes: number }) {
  let { line, byte } = from;
  let held: Uint8Array[] = [];
  let length = 0;

  const hold = (piece: Uint8Array) => {
    byte += piece.length;
    length += piece.length;
    if (length > maxBytes) held = [];
    else if (piece.length > 0) held.push(piece);
  };
  const cut = (): Line => {
    const found = { line: ++line, end: byte };
    const whole = length > maxBytes ? undefined : held.length === 1 ? held[0] : joined(held, length);
    held = [];
    length = 0;
    return whole ? { ...found, bytes: whole } : found;
  };

  return {
    /** The lines that end in a piece. Their bytes may be views of the pieces. */
    push(piece: Uint8Array): Line[] {
      const lines: Line[] = [];
      let start = 0;
      for (let at = piece.indexOf(newline); at >= 0; at = piece.indexOf(newline, start)) {
        hold(piece.subarray(start, at));
        byte++;
        lines.push(cut());
        start = at + 1;
      }
      hold(piece.subarray(start));
      return lines;
    },
    /** The last line, where no `\n` ends it. */
    end: (): Line[] => (length > 0 ? [cut()] : []),
  };
}

function joined(pieces: readonly Uint8Array[], length: number): Uint8Array {
  const whole = new Uint8Array(length);
  let at = 0;
  for (const piece of pieces) {
    whole.set(piece, at);
    at += piece.length;
  }
  return whole;
}
