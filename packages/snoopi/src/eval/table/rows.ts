import { type Cell as Entry, markdownTable } from "../../report/markdown-table.ts";
import { type Spread, showSpread, spreadOf } from "../spread.ts";
import type { Cell } from "./cell.ts";
import type { Figures } from "./figures.ts";
import type { About } from "./table.ts";

/** A row of a table: its cells by training and seed. */
export interface Row {
  readonly name: string;
  readonly cells: readonly (readonly Cell[])[];
}

export interface Column {
  readonly key: string;
  readonly head: string;
  readonly better: "higher" | "lower";
  readonly digits: number;
  /** What it says, for a reader who sees it for the first time. */
  readonly meaning: (about: About) => string;
  readonly of: (figures: Figures) => number | undefined;
}

/** Columns for pictures that should show what captions say. */
export const columns: readonly Column[] = [
  {
    ...{ key: "fidelity", head: "fidelity", better: "higher", digits: 3, of: ({ fidelity }) => fidelity },
    meaning: () => "share of pictures in which the pixel judge finds every attribute that the caption names",
  },
  {
    ...{ key: "valid", head: "valid", better: "higher", digits: 3, of: ({ valid }) => valid },
    meaning: ({ floors }) => `share of pictures that the world could have drawn: ${floorsInWords(floors)}`,
  },
  {
    ...{ key: "both", head: "both", better: "higher", digits: 3, of: ({ both }) => both },
    meaning: () => "share of pictures that have fidelity and are valid",
  },
  {
    ...{ key: "frechet", head: "Fréchet", better: "lower", digits: 3, of: ({ frechet }) => frechet },
    meaning: ({ features, reference }) =>
      `Fréchet distance to ${reference} pictures of the world, over ${features}: 0 for the same distribution, greater with fewer pictures, to be compared only with figures of the same features and number of pictures`,
  },
  {
    ...{ key: "precision", head: "precision", better: "higher", digits: 3, of: ({ precision }) => precision },
    meaning: () => "share of pictures that lie among the world's, by the same features (nearer than a picture's third neighbour)",
  },
  {
    ...{ key: "recall", head: "recall", better: "higher", digits: 3, of: ({ recall }) => recall },
    meaning: () => "share of the world's pictures that lie among these, in the same way",
  },
  {
    ...{ key: "clip", head: "CLIP", better: "higher", digits: 3, of: ({ clip }) => clip },
    meaning: () => "mean cosine of picture and caption by the world's own CLIP, −1 to 1",
  },
  {
    ...{ key: "entropy", head: "entropy", better: "higher", digits: 3, of: ({ entropy }) => entropy },
    meaning: () => "how evenly attributes are drawn that the caption leaves open: 1 for evenly, 0 for always the same",
  },
];

export interface Measured {
  readonly name: string;
  readonly figures: Readonly<Record<string, Spread>>;
}

const mean = (values: readonly number[]) => values.reduce((a, b) => a + b, 0) / values.length;

/** Means with their spread: over trainings where a row has several, else over seeds of noise and captions. */
export function measured(rows: readonly Row[], of: readonly Column[], figuresOf: (cell: Cell) => Figures): Measured[] {
  return rows.map(({ name, cells }) => ({
    name,
    figures: Object.fromEntries(
      of.flatMap(({ key, of: read }) => {
        const values = cells.map((seeds) => seeds.map((cell) => read(figuresOf(cell))));
        if (values.flat().some((value) => value === undefined)) return [];
        const known = values as number[][];
        return [[key, spreadOf(known.length > 1 ? known.map(mean) : known[0])]];
      }),
    ),
  }));
}

/** A column's head with an arrow to where figures are better. */
export const headOf = ({ head, better }: Pick<Column, "head" | "better">): string => `${head} ${better === "higher" ? "↑" : "↓"}`;

/** Columns that no row has are left out. */
const shownOf = (rows: readonly Measured[], of: readonly Column[]) => of.filter(({ key }) => rows.some(({ figures }) => figures[key]));

export function showRows(first: string, rows: readonly Measured[], of: readonly Column[]): string {
  const shown = shownOf(rows, of);
  const body = rows.map(({ name, figures }): Entry[] => [
    name,
    ...shown.map(({ key, digits }) => (figures[key] ? showSpread(figures[key], { digits }) : "–")),
  ]);
  return markdownTable([first, ...shown.map(headOf)], body);
}

/** What the columns of a table mean, a line each. */
export function legend(about: About, { rows, of, spread }: { rows: readonly Measured[]; of: readonly Column[]; spread: string }): string {
  return [
    "↑ higher is better, ↓ lower is better.",
    "",
    ...shownOf(rows, of).map(({ head, meaning }) => `- _${head}_: ${meaning(about)}.`),
    ...(rows.some(({ figures }) => Object.values(figures).some((one) => one.spread !== undefined))
      ? [`- _±_: one standard deviation over ${spread}.`]
      : []),
    "",
  ].join("\n");
}

/** The legend as data, for programs. */
export const described = (about: About, rows: readonly Measured[], of: readonly Column[]) =>
  Object.fromEntries(shownOf(rows, of).map(({ key, better, meaning }) => [key, { better, meaning: meaning(about) }]));

/** What a picture has to reach, with models' names where they differ in it. */
export function floorsInWords(floors: About["floors"]): string {
  const told = floors.map(({ models, psnr, explained }) => {
    const least = `${psnr.toFixed(2)} dB of PSNR and ${(100 * explained).toFixed(1)} % of the shape`;
    return floors.length === 1 ? least : `${least} for ${models.join(", ")}`;
  });
  return `what the judge redraws from its reading comes as near as in 95 % of the VAE's round trips of true pictures (at least ${told.join("; ")})`;
}
