import type { Cell } from "./cell.ts";
import type { Figures } from "./figures.ts";
import type { Floor } from "./floor.ts";

/** A model with the name of its row. Several of one label are trainings of one kind, with different seeds. */
export interface Labelled {
  readonly label: string;
  readonly model: string;
  /** Passes it draws with, where they are not the table's. */
  readonly steps?: number;
}

/** A way of negative guidance with the scales to try. */
export interface Sweep {
  readonly method: string;
  readonly scales: readonly number[];
}

export interface TableOptions {
  /** The folder of the model that the table is about, or that students are compared with. */
  readonly model: string;
  readonly students: readonly Labelled[];
  /** For each cell. */
  readonly pictures: number;
  readonly seeds: readonly number[];
  /** DDIM steps and κ of the teacher. */
  readonly teacherSteps: number;
  readonly guidance: number;
  /** Passes of a student. */
  readonly steps: number;
  readonly kappas: readonly (number | readonly [number, number])[];
  readonly methods: readonly Sweep[];
  /** Which pairs of prompt and negative. All unless given. */
  readonly pairs?: readonly PairsName[];
}

/** Couples of values kept away from "a shape", the same from shapes of each colour, and colours kept away from "a shape". */
export const pairsNames = ["shape", "coloured", "colours"] as const;
export type PairsName = (typeof pairsNames)[number];

/** What the figures were taken with, for a reader. */
export interface About {
  readonly features: string;
  readonly reference: number;
  /** The floors in use, each with the models whose VAE set it. */
  readonly floors: readonly (Floor & { readonly models: readonly string[] })[];
}

export interface Report {
  readonly json: Readonly<Record<string, unknown>>;
  readonly markdown: string;
  /** SVG by name; "" is the table's own. */
  readonly charts: Readonly<Record<string, string>>;
}

/** A table of the paper: which pictures it needs, and the report on their figures. */
export interface Table {
  readonly name: string;
  readonly cells: readonly Cell[];
  report(figuresOf: (cell: Cell) => Figures, about: About): Report;
}

/** How much a table has counted, in words. */
export const amount = (pictures: number, seeds: readonly number[]): string =>
  seeds.length === 1 ? `${pictures} pictures, one seed` : `${pictures} pictures for each of ${seeds.length} seeds`;

export const inSteps = (steps: number): string => `${steps} ${steps === 1 ? "step" : "steps"}`;

/** Students by label, in the order of first mention: what is trained several times is one row. */
export const byLabel = <S extends Labelled>(students: readonly S[]): { readonly label: string; readonly trainings: readonly S[] }[] =>
  [...new Set(students.map(({ label }) => label))].map((label) => ({ label, trainings: students.filter((one) => one.label === label) }));

/** A name for files: letters, digits, dots and dashes. */
export const slug = (text: string): string => text.replaceAll(/[^\p{L}\p{N}.]+/gu, "-").replaceAll(/^[-.]+|-+$/g, "") || "x";
