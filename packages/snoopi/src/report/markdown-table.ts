import { SnoopiError } from "@snoopi/core";

/** A cell: text, or a number, which is written in full. Round it first, with `toFixed` or `showSpread`. */
export type Cell = string | number;

/**
 * A GitHub table, each column padded to one width so that it reads as text as well. Columns whose cells all start with a number, or are NaN
 * or –, are aligned right. Bars and line breaks within a cell are escaped.
 *
 * @throws SnoopiError without columns, or for a row of another length than the header.
 */
export function markdownTable(header: readonly string[], rows: readonly (readonly Cell[])[]): string {
  if (header.length === 0) throw new SnoopiError("table: there are no columns. Pass at least 1.");
  const wrong = rows.findIndex((row) => row.length !== header.length);
  if (wrong >= 0) {
    throw new SnoopiError(`table: row ${wrong} has ${rows[wrong].length} cells and the header ${header.length}. Pass one for each column.`);
  }
  const lines = [header, ...rows].map((row) => row.map((cell) => escapeCell(String(cell))));
  const columns = header.map((_, j) => {
    const cells = lines.map((line) => line[j]);
    const right = rows.length > 0 && cells.slice(1).every((cell) => /^([+−-]?\d|NaN$|–$)/.test(cell));
    return { right, width: Math.max(3, ...cells.map(lengthOf)) };
  });
  const [head, ...body] = lines.map((line) => line.map((cell, j) => padded(cell, columns[j])));
  const rule = columns.map(({ right, width }) => (right ? `${"-".repeat(width - 1)}:` : "-".repeat(width)));
  return [head, rule, ...body].map((line) => `| ${line.join(" | ")} |\n`).join("");
}

/** In characters, not UTF-16 units. */
const lengthOf = (text: string) => [...text].length;

function padded(cell: string, { right, width }: { right: boolean; width: number }): string {
  const space = " ".repeat(width - lengthOf(cell));
  return right ? space + cell : cell + space;
}

function escapeCell(cell: string): string {
  return cell
    .replaceAll("\\", "\\\\")
    .replaceAll("|", "\\|")
    .replace(/\r\n|\r|\n/g, "<br>");
}
