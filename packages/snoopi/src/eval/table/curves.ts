import { SnoopiError } from "@snoopi/core";
import { lineChart, type Series } from "../../report/line-chart.ts";
import { markdownTable } from "../../report/markdown-table.ts";
import { type Spread, showSpread } from "../spread.ts";
import type { Cell } from "./cell.ts";
import type { Figures } from "./figures.ts";
import { type Column, columns, described, headOf, legend, type Measured, measured } from "./rows.ts";
import { amount, byLabel, type Labelled, slug, type Table, type TableOptions } from "./table.ts";

/** A student with the snapshots kept while it was distilled, in the order of its steps. */
export interface Course extends Labelled {
  readonly snapshots: readonly { readonly taken: number; readonly folder: string }[];
}

/** Trainings of one label: their cells by training, step and seed of noise. */
interface Line {
  readonly label: string;
  readonly steps: readonly number[];
  readonly cells: readonly (readonly (readonly Cell[])[])[];
}

/** Figures that get a chart: the paper's, and those that show whether pictures fit their captions and whether they are all alike. */
const charted = { "": "frechet", fidelity: "fidelity", entropy: "entropy" } as const;

/**
 * How students change while they are distilled, a curve for each label (SNOOPI's Fig. 2, when the students are its methods).
 * @throws SnoopiError where trainings of one label have snapshots of other steps: there is no mean of them.
 */
export function curvesTable({ pictures, seeds, steps: passes }: TableOptions, courses: readonly Course[]): Table {
  const lines = byLabel(courses).map(({ label, trainings }, row): Line => {
    const steps = trainings[0].snapshots.map(({ taken }) => taken);
    const cells = trainings.map(({ model, snapshots, steps: own = passes }, i) => {
      const found = snapshots.map(({ taken }) => taken);
      if (found.join() !== steps.join()) {
        throw new SnoopiError(
          `eval: ${model} has snapshots of steps ${found.join(", ")}, and ${trainings[0].model}, of the same label, of ${steps.join(", ")}. Give each a label of its own, or go on with the one that was stopped.`,
        );
      }
      return snapshots.map(({ taken, folder }) =>
        seeds.map(
          (seed): Cell => ({
            name: `${row + 1}-${slug(label)}-${i + 1}-${taken}-s${seed}`,
            source: { by: "model", model: folder, steps: own, sampler: "few-step", kappa: 1 },
            prompts: "captions",
            pictures,
            seed,
            features: true,
          }),
        ),
      );
    });
    return { label, steps, cells };
  });
  const several = lines.some(({ cells }) => cells.length > 1);
  return {
    name: "curves",
    cells: lines.flatMap(({ cells }) => cells.flat(2)),
    report(figuresOf, about) {
      const found = lines.map((line) => ({ ...line, points: pointsOf(line, figuresOf) }));
      const all = found.flatMap(({ points }) => points);
      const title = `Students while they are distilled, ${amount(pictures, seeds)}`;
      const shown = columns.filter(({ key }) => all.some(({ figures }) => figures[key]));
      const spread = several ? "trainings where there are several, else over seeds of noise and captions" : "seeds of noise and captions";
      return {
        json: {
          title,
          columns: described(about, all, columns),
          rows: found.map(({ label, steps, cells, points }) => ({
            name: label,
            trainings: cells.length,
            points: steps.map((step, i) => ({ step, figures: points[i].figures })),
          })),
        },
        markdown: [
          `# ${title}`,
          "",
          "By the updates of the student. Step 0 is the regression start that all begin with, where there is one.",
          "",
          ...shown.flatMap((column) => [`## ${headOf(column)}`, "", showCurves(column, found)]),
          legend(about, { rows: all, of: columns, spread }),
        ].join("\n"),
        charts: Object.fromEntries(
          Object.entries(charted).flatMap(([name, key]) => {
            const { head } = columns.find((column) => column.key === key)!;
            const curves = found.flatMap((line) => seriesOf(key, line, figuresOf));
            const axes = { xLabel: "updates of the student", yLabel: key === "frechet" ? "Fréchet distance" : head };
            return curves.length === 0 ? [] : [[name, lineChart(curves, { title: "Students while they are distilled", ...axes })]];
          }),
        ),
      };
    },
  };
}

/** A line's figures at each step, over its trainings. */
const pointsOf = ({ label, steps, cells }: Line, figuresOf: (cell: Cell) => Figures): Measured[] =>
  measured(
    steps.map((_, i) => ({ name: label, cells: cells.map((training) => training[i]) })),
    columns,
    figuresOf,
  );

interface Shown {
  readonly label: string;
  readonly steps: readonly number[];
  readonly points: readonly Measured[];
}

/** One figure of all lines, a column for each step that one of them has. */
function showCurves({ key, digits }: Column, lines: readonly Shown[]): string {
  const steps = [...new Set(lines.flatMap((line) => line.steps))].sort((a, b) => a - b);
  const at = ({ steps: own, points }: Shown, step: number): Spread | undefined => points[own.indexOf(step)]?.figures[key];
  const body = lines.map((line) => [
    line.label,
    ...steps.map((step) => {
      const figure = at(line, step);
      return figure ? showSpread(figure, { digits }) : "–";
    }),
  ]);
  return markdownTable(["student", ...steps.map((step) => `step ${step}`)], body);
}

/** One figure of a line: the mean, and each training as a thin line. */
function seriesOf(key: string, { label, steps, cells, points }: Line & Shown, figuresOf: (cell: Cell) => Figures): Series[] {
  const along = (some: readonly Measured[]) =>
    steps.flatMap((step, i) => (some[i].figures[key] ? [[step, some[i].figures[key].mean] as const] : []));
  const mean = along(points);
  if (mean.length === 0) return [];
  const each = cells.length > 1 ? cells.map((training) => along(pointsOf({ label, steps, cells: [training] }, figuresOf))) : [];
  return [{ name: label, points: mean, each }];
}
