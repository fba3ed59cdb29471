import { SnoopiError } from "@snoopi/core";
import { lineChart } from "../report/line-chart.ts";

/** The figures of one step: `step` and named numbers. */
export type Row = Readonly<Record<string, number>>;

/** Rounds to the seven digits that a written row keeps, so that a resumed run draws the same curve. */
export const rounded = (row: Row): Row =>
  Object.fromEntries(Object.entries(row).map(([name, value]) => [name, Number(value.toPrecision(7))]));

/** Rows as CSV, with the names of the first as header. */
export function toCsv(rows: readonly Row[]): string {
  const names = Object.keys(rows[0] ?? {});
  const lines = rows.map((row) => names.map((name) => String(row[name])).join(","));
  return [names.join(","), ...lines, ""].join("\n");
}

/** Reads what {@link toCsv} wrote. @throws SnoopiError for a line that is not a row. */
export function fromCsv(text: string, name: string): Row[] {
  const [head = "", ...lines] = text.split("\n");
  const names = head.split(",");
  return lines
    .filter((line) => line !== "")
    .map((line, i) => {
      const values = line.split(",").map(Number);
      if (values.length !== names.length || values.some(Number.isNaN)) {
        throw new SnoopiError(
          `${name}: line ${i + 2} is no row of ${names.length} numbers. Remove the file to go on without the steps before.`,
        );
      }
      return Object.fromEntries(names.map((key, j) => [key, values[j]]));
    });
}

const most = 200;

/** Charts the loss, or other columns, as means over at most 200 stretches of steps, on a log scale if possible. */
export function lossChart(
  rows: readonly Row[],
  title: string,
  { columns = ["loss"] }: { readonly columns?: readonly string[] } = {},
): string {
  const by = Math.ceil(rows.length / most);
  const stretches = Array.from({ length: Math.ceil(rows.length / by) }, (_, i) => rows.slice(i * by, (i + 1) * by));
  const mean = (values: readonly number[]) => values.reduce((a, b) => a + b, 0) / values.length;
  const series = columns.map((column) => ({
    name: by > 1 ? `${column}, mean of ${by} steps` : column,
    points: stretches.map((part) => [mean(part.map(({ step }) => step)), mean(part.map((row) => row[column]))] as const),
  }));
  const yScale = series.every(({ points }) => points.every(([, y]) => y > 0)) ? "log" : "linear";
  return lineChart(series, { title, xLabel: "step", yLabel: columns.length === 1 ? columns[0] : "", yScale });
}
