import { join, resolve } from "node:path";

export type Size = "full" | "miniature";

export interface Step {
  readonly name: string;
  /** Words after `snoopi`. */
  readonly args: readonly string[];
}

const configs = resolve(import.meta.dirname, "../../packages/snoopi/configs");

/** What differs between the whole and what a few minutes can show. */
const sizes = {
  full: {
    config: (name: string) => join(configs, `tiny-${name}.json`),
    students: ["student", "pg-sb"],
    eval: [] as string[],
  },
  miniature: {
    config: (name: string) => join(configs, "miniature", `${name}.json`),
    students: ["student"],
    eval: words("--pictures 16 --seeds 0 --reference 96 --round-trips 64 --batch 32"),
  },
} as const;

/** The commands that make everything in `out`, in order: `teacher/` and the students are model folders, `results/` has the tables. */
export function stepsOf(size: Size, out: string): Step[] {
  const { config, students, eval: less } = sizes[size];
  const teacher = join(out, "teacher");
  const results = join(out, "results");
  const trained = ["vae", "clip", "teacher"].map((name) => ({
    name,
    args: ["train", name, "--config", config(name), "--out", teacher, "--resume"],
  }));
  const distilled = students.map((name) => ({
    name,
    args: ["distill", "--config", config(name), "--model", teacher, "--out", join(out, name), "--resume"],
  }));
  const each = students.flatMap((name) => ["--student", join(out, name)]);
  const table = (name: string, ...more: readonly string[]): Step => ({
    name: `table of ${name}`,
    args: ["eval", name, "--model", teacher, "--out", results, ...more],
  });
  return [
    ...trained,
    ...distilled,
    table("judge", ...less),
    table("guidance", ...less, ...(size === "miniature" ? words("--teacher-steps 2 --kappas 1,3") : [])),
    table("students", ...each, ...less, ...(size === "miniature" ? words("--teacher-steps 2") : [])),
    table(
      "exclusion",
      "--student",
      join(out, "student"),
      ...less,
      ...(size === "miniature" ? words("--methods nasa:0.5 --pairs shape") : []),
    ),
    table("contact", "--student", join(out, "student")),
  ];
}

function words(line: string): string[] {
  return line.split(" ");
}
