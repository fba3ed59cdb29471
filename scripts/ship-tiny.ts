import { join, relative, resolve } from "node:path";
import { parseArgs } from "node:util";
import { SnoopiError } from "@snoopi/core";
import { isThere } from "../packages/snoopi/src/train/node/folder.ts";
import type { ModelName } from "./ship-tiny/parts.ts";
import { checkRun } from "./ship-tiny/run.ts";
import { ship } from "./ship-tiny/ship.ts";
import { shippedStudent } from "./tiny-world/steps.ts";

// Puts what `npm run tiny-world` trained into packages/tiny, in f16, with its model card:
// node --conditions=source --import tsx scripts/ship-tiny.ts --run runs/tiny

const usage = `usage: ship-tiny.ts [--run DIR] [--teacher DIR] [--start DIR] [--student DIR] [--results DIR] [--to packages/tiny]

  --run DIR       of npm run tiny-world: its teacher and what that went on from, its student nasa-t and its results
  --teacher DIR   a teacher's folder, also while parts of it are still to come that do not ship yet
  --start DIR     the folder that the teacher went on from, where it did
  --student DIR   a student's folder
  --results DIR   where snoopi eval wrote its tables; docs/results unless given
With no model only the card is written anew.`;

try {
  for (const line of await ship(options())) console.log(line);
} catch (error) {
  if (!(error instanceof SnoopiError)) throw error;
  console.error(`ship-tiny: ${error.message}`);
  process.exitCode = 1;
}

function options(): Parameters<typeof ship>[0] {
  const names = ["run", "teacher", "start", "student", "results", "to"] as const;
  const { values } = (() => {
    try {
      return parseArgs({ options: Object.fromEntries(names.map((name) => [name, { type: "string" as const }])) });
    } catch (error) {
      throw new SnoopiError(`${(error as Error).message}\n${usage}`);
    }
  })();
  const { run, teacher, start, student, results, to } = values as Partial<Record<(typeof names)[number], string>>;
  if (run !== undefined) checkRun(run);
  const inRun = (name: string) => (run !== undefined && isThere(join(run, name)) ? join(run, name) : undefined);
  const models: Partial<Record<ModelName, string>> = {};
  const [ownTeacher, ownStudent] = [teacher ?? inRun("teacher"), student ?? inRun(shippedStudent)];
  if (ownTeacher !== undefined) models.teacher = ownTeacher;
  if (ownStudent !== undefined) models.student = ownStudent;
  const before = start ?? (teacher === undefined ? inRun("first") : undefined);
  const root = resolve(import.meta.dirname, "..");
  // Relative, for the last line printed names it.
  const path = (given: string | undefined, absent: string) => relative(process.cwd(), given ?? join(root, absent)) || ".";
  return {
    models,
    ...(before !== undefined && { start: before }),
    results: path(results ?? inRun("results"), "docs/results"),
    to: path(to, "packages/tiny"),
  };
}
