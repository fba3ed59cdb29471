import { join, resolve } from "node:path";
import { type Table2Row, table2Rows } from "./table2.ts";

export type Size = "full" | "miniature";

export interface Step {
  readonly name: string;
  /** Words after `snoopi`. */
  readonly args: readonly string[];
}

/** The student that ships: it learned with NASA, so that negatives leave its pictures whole. */
export const shippedStudent = "nasa-t";

interface Student {
  /** The name of its config and its folder. */
  readonly name: string;
  /** Passes per picture. Default 1. */
  readonly passes?: number;
}

const configs = resolve(import.meta.dirname, "../../packages/snoopi/configs");

/** What differs between the full run and one of a few minutes. */
const sizes = {
  full: {
    config: (name: string) => join(configs, `tiny-${name}.json`),
    students: [{ name: "student" }, { name: "pg-sb" }, { name: "few-step", passes: 2 }, { name: shippedStudent }] as Student[],
    shown: shippedStudent,
    methods: { rows: Object.keys(table2Rows) as Table2Row[], seeds: [0, 1, 2] },
    eval: [] as string[],
    // Of each student 25 ways to keep away what 18 negatives name.
    exclusion: words("--pictures 64 --seeds 0"),
  },
  miniature: {
    config: (name: string) => join(configs, "miniature", `${name}.json`),
    students: [{ name: "student" }] as Student[],
    shown: "student",
    methods: { rows: ["random-both", "fixed-mean"] as Table2Row[], seeds: [1] },
    eval: words("--pictures 16 --seeds 0 --reference 96 --round-trips 64 --batch 32"),
    exclusion: words("--methods nasa:0.5 --pairs shape"),
  },
} as const;

/**
 * The commands that make everything in `out`, in order. Model folders are `first/`, the `teacher/` that goes on from it, the students, and
 * those of Table 2 in `methods/`; tables go to `results/`.
 */
export function stepsOf(size: Size, out: string): Step[] {
  const { config, students, shown, methods, eval: less, exclusion } = sizes[size];
  const [first, teacher] = [join(out, "first"), join(out, "teacher")];
  const results = join(out, "results");
  const trained = ["vae", "clip", "teacher"].map((name) => ({
    name,
    args: ["train", name, "--config", config(name), "--out", first, "--resume"],
  }));
  const on: Step = {
    name: "teacher-on",
    args: ["train", "teacher", "--config", config("teacher-on"), "--start", first, "--out", teacher, "--resume"],
  };
  const distil = (name: string, { by, set = [] }: { readonly by: string; readonly set?: readonly string[] }): Step => ({
    name,
    args: [
      ...["distill", "--config", config(by), "--model", teacher, "--out", join(out, name), "--resume"],
      ...set.flatMap((one) => ["--set", one]),
      // All students share the pairs and regression of the first.
      ...(name === students[0].name ? [] : ["--start", join(out, students[0].name)]),
    ],
  });
  const trainings = methods.rows.flatMap((row) => methods.seeds.map((seed) => ({ row, seed, name: `methods/${row}-${seed}` })));
  const distilled = [
    ...students.map(({ name }) => distil(name, { by: name })),
    ...trainings.map(({ row, seed, name }) => distil(name, { by: "table2", set: [`seed=${seed}`, ...table2Rows[row]] })),
  ];
  const each = students.flatMap(({ name, passes = 1 }) => ["--student", `${name}=${join(out, name)}${passes > 1 ? `@${passes}` : ""}`]);
  const labelled = trainings.flatMap(({ row, name }) => ["--student", `${row}=${join(out, name)}`]);
  const table = (name: string, ...more: readonly string[]): Step => ({
    name: `table of ${name}`,
    args: ["eval", name, "--model", teacher, "--out", results, ...more],
  });
  return [
    ...trained,
    on,
    ...distilled,
    table("judge", ...less),
    // A teacher's picture takes 50 passes.
    table("guidance", ...less, ...words(size === "miniature" ? "--teacher-steps 2 --kappas 1,3" : "--pictures 256")),
    table("students", ...each, ...labelled, ...less, ...(size === "miniature" ? words("--teacher-steps 2") : [])),
    // One seed of noise is enough: trainings differ by more.
    table("curves", ...labelled, ...(size === "miniature" ? less : words("--seeds 0"))),
    table("exclusion", ...each, ...less, ...exclusion),
    table("contact", "--student", join(out, shown)),
  ];
}

function words(line: string): string[] {
  return line.split(" ");
}
