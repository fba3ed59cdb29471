// How reports are laid out. Names come from files, so nothing in them may move a terminal's cursor.

/** Control characters, and those that reverse the direction of writing, as escapes. */
export const printable = (text: string): string =>
  text.replaceAll(/[\p{Cc}\p{Bidi_Control}]/gu, (c) => `\\u${c.charCodeAt(0).toString(16).padStart(4, "0")}`);

/** A text as lines of at most 90 characters, of which its indent is a part. */
export function wrapped(text: string, { indent }: { readonly indent: string }): string[] {
  const lines: string[] = [];
  for (const word of text.split(" ")) {
    const longer = `${lines.at(-1)} ${word}`;
    if (lines.length > 0 && longer.length <= 90) lines[lines.length - 1] = longer;
    else lines.push(`${indent}${word}`);
  }
  return lines;
}

/** Rows as lines, each column as wide as its widest cell; columns of `right` are aligned to the right. */
export function table(rows: readonly (readonly string[])[], { right = [] }: { readonly right?: readonly number[] } = {}): string[] {
  const widths = (rows[0] ?? []).map((_, column) => Math.max(...rows.map((row) => row[column]!.length)));
  const cell = (text: string, column: number) => (right.includes(column) ? text.padStart(widths[column]!) : text.padEnd(widths[column]!));
  return rows.map((row) => `  ${row.map(cell).join("  ")}`.trimEnd());
}

/** The first few of a list, and how many more there are. */
export function some(items: readonly string[], most = 12): string {
  const more = items.length - most;
  return more > 0 ? `${items.slice(0, most).join(", ")} and ${more} more` : items.join(", ");
}

/** A count with its thousands apart, whatever the locale. */
export const grouped = (count: number): string => String(count).replaceAll(/\B(?=(\d{3})+$)/g, ",");

/** Floating-point operations in powers of 1000 with three digits: `61.2 MFLOP`. */
export function shownFlops(flops: number): string {
  const power = Math.max(2, Math.min(5, Math.floor(Math.log10(Math.max(1, flops)) / 3)));
  return `${(flops / 1000 ** power).toPrecision(3)} ${["", "k", "M", "G", "T", "P"][power]}FLOP`;
}
