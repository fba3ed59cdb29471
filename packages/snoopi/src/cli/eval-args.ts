import { SnoopiError } from "@snoopi/core";
import { type Labelled, type PairsName, pairsNames, type Sweep, type TableOptions } from "../eval/table/table.ts";
import { guidanceNames } from "../pipeline/guidance-plan.ts";
import { type DeviceWord, deviceIn } from "./values.ts";
import { wordsOf } from "./words.ts";

export const tableNames = ["guidance", "students", "curves", "exclusion", "judge"] as const;
export type TableName = (typeof tableNames)[number];

/** What `snoopi eval` was asked for. */
export interface EvalOptions extends TableOptions {
  readonly table: TableName | "contact";
  readonly out: string;
  readonly batch: number;
  readonly reference: number;
  readonly roundTrips: number;
  readonly device: DeviceWord;
}

const names = "model out pictures seeds batch reference round-trips teacher-steps guidance steps kappas methods pairs device".split(" ");

/** Options that only some tables take. */
const tablesOf: Readonly<Record<string, readonly string[]>> = {
  kappas: ["guidance"],
  methods: ["exclusion", "contact"],
  pairs: ["exclusion"],
};

/** Every method of negative guidance, at scales around the small student's turning point, so that all are compared on equal terms. */
const allMethods: readonly Sweep[] = [
  { method: "nasa", scales: [0.1, 0.2, 0.3, 0.5, 0.7, 1] },
  { method: "nasa-guarded", scales: [0.5, 1, 2] },
  { method: "neutral", scales: [0.5, 1, 2] },
  { method: "nag", scales: [1, 2, 4] },
  { method: "vsf", scales: [1, 2, 4] },
  { method: "cfg", scales: [1.5, 2, 2.5] },
  { method: "subtract", scales: [0.3, 0.5, 0.7] },
];

/** Reads and checks the words after `snoopi eval`. */
export function parseEval(argv: readonly string[]): EvalOptions {
  const { students: given, rest } = takeStudents(argv);
  const { values, positionals } = wordsOf("eval", rest, names);
  const [name, ...others] = positionals;
  const table = [...tableNames, "contact" as const].find((one) => one === name);
  if (table === undefined || others.length > 0) {
    throw new SnoopiError(`eval: ${JSON.stringify(positionals.join(" "))} is no table. Give one of ${tableNames.join(", ")} and contact.`);
  }
  const { model = "tiny-teacher", out } = values;
  if (out === undefined) throw new SnoopiError("eval: --out DIR is missing. See snoopi eval --help.");
  // By default: the shipped teacher and its student.
  const students = given.length === 0 && values.model === undefined ? [{ label: "tiny", model: "tiny" }] : given;
  if (table === "students" && students.length === 0) throw new SnoopiError("eval: students needs some. Add --student DIR for each.");
  if (table === "curves" && students.length === 0) throw new SnoopiError("eval: curves needs students. Add --student DIR for each.");
  if ((table === "guidance" || table === "judge") && given.length > 0)
    throw new SnoopiError(`eval: ${table} is about the model alone, and --student is given. Leave it out.`);
  for (const [option, tables] of Object.entries(tablesOf)) {
    if (values[option] === undefined || tables.includes(table)) continue;
    throw new SnoopiError(`eval: --${option} is for ${tables.join(" and ")}, and this is ${table}. Leave it out.`);
  }
  const device = deviceIn("eval", values);
  const whole = (option: string, absent: number, least = 1) => wholeOf(option, values[option], { absent, least });
  return {
    table,
    model,
    out,
    device,
    students,
    pictures: whole("pictures", table === "exclusion" ? 128 : table === "contact" ? 4 : 512),
    seeds: listOf("seeds", values.seeds ?? "0,1,2").map((one) => wholeOf("seeds", one, { absent: 0, least: 0 })),
    batch: whole("batch", 64),
    reference: whole("reference", 2048, 8),
    roundTrips: whole("round-trips", 512, 8),
    teacherSteps: whole("teacher-steps", 25),
    guidance: numberOf("guidance", values.guidance ?? "3"),
    steps: whole("steps", 1),
    kappas: listOf("kappas", values.kappas ?? "1,2,3,4,5,2:5").map(kappaOf),
    pairs: listOf("pairs", values.pairs ?? pairsNames.join(",")).map(pairsOf),
    methods: values.methods === undefined ? allMethods : values.methods.split(";").map(sweepOf),
  };
}

/** Takes every `--student [LABEL=]DIR[@STEPS]` out of the words. */
function takeStudents(argv: readonly string[]): { readonly students: readonly Labelled[]; readonly rest: string[] } {
  const students: Labelled[] = [];
  const rest: string[] = [];
  for (let i = 0; i < argv.length; i++) {
    const word = argv[i]!;
    if (word !== "--student" && !word.startsWith("--student=")) {
      rest.push(word);
      continue;
    }
    const value = word === "--student" ? argv[++i] : word.slice("--student=".length);
    if (!value || value.startsWith("--")) throw new SnoopiError(`eval: --student has no value. ${studentForm}`);
    students.push(studentOf(value));
  }
  const twice = students.find((one, i) => students.findIndex(({ model, steps }) => model === one.model && steps === one.steps) < i);
  if (twice) throw new SnoopiError(`eval: the student ${twice.model} is given twice. Give it once.`);
  return { students, rest };
}

const studentForm = "Write --student DIR, or LABEL=DIR, or LABEL=DIR@STEPS.";

function studentOf(value: string): Labelled {
  const [, label, path, passes] = /^(?:([^=]*)=)?(.*?)(?:@(\d+))?$/s.exec(value)!;
  const model = path.replace(/\/+$/, "");
  const name = label ?? model.split("/").at(-1)!;
  if (!name || !model || Number(passes) === 0) throw new SnoopiError(`eval: --student is ${JSON.stringify(value)}. ${studentForm}`);
  return { label: name, model, ...(passes !== undefined && { steps: Number(passes) }) };
}

const refused = (option: string, word: string, wanted: string) =>
  new SnoopiError(`eval: --${option} is ${JSON.stringify(word)}. Give ${wanted}.`);

function wholeOf(option: string, word: string | undefined, { absent, least }: { absent: number; least: number }): number {
  if (word === undefined) return absent;
  const value = /^\d+$/.test(word) ? Number(word) : Number.NaN;
  if (Number.isSafeInteger(value) && value >= least) return value;
  throw refused(option, word, `${option === "seeds" ? "whole numbers with commas between, each" : "a whole number,"} ${least} or more`);
}

function numberOf(option: string, word: string): number {
  const value = /^(\d+\.?\d*|\.\d+)$/.test(word) ? Number(word) : Number.NaN;
  if (Number.isFinite(value)) return value;
  throw refused(option, word, "a number, 0 or more");
}

function listOf(option: string, word: string): string[] {
  const parts = word.split(",");
  const twice = parts.find((part, i) => parts.indexOf(part) < i);
  if (twice === undefined) return parts;
  throw new SnoopiError(`eval: --${option} has ${twice} twice. Give each once.`);
}

/** `3`, or `2:5` for uniform between 2 and 5. */
function kappaOf(word: string): number | readonly [number, number] {
  const parts = word.split(":").map((part) => numberOf("kappas", part));
  if (parts.length === 1) return parts[0];
  if (parts.length === 2 && parts[0] < parts[1]) return [parts[0], parts[1]];
  throw refused("kappas", word, "numbers with commas between, and intervals such as 2:5");
}

function pairsOf(word: string): PairsName {
  const found = pairsNames.find((name) => name === word);
  if (found) return found;
  throw refused("pairs", word, `some of ${pairsNames.join(", ")} with commas between`);
}

/** `nasa:0.2,0.5,1` */
function sweepOf(word: string): Sweep {
  const [method, scales = "", ...more] = word.split(":");
  if (!guidanceNames.includes(method) || scales === "" || more.length > 0) {
    throw refused("methods", word, `methods of ${guidanceNames.join(", ")} with their scales, such as "nasa:0.5,1;nag:2"`);
  }
  return { method, scales: listOf("methods", scales).map((scale) => numberOf("methods", scale)) };
}

export const evalHelp = `snoopi eval TABLE --out DIR [--model DIR] [--student DIR …] [options]

Fills a table about models of the tiny world: makes pictures, reads them with the
pixel judge, compares them with the world's own, and writes TABLE.json, TABLE.md and
SVG charts. Ctrl-C, or a kill, loses the batch it was at: the same command goes on.

  guidance           the model at several scales of classifier-free guidance
  students           students beside the model, their teacher
  curves             students as they became what they are, by the snapshots that they
                     kept while they were distilled (snapshotEvery of the config)
  exclusion          how often what a negative names stays away, by method and scale:
                     of each student, or of the model where there is none
  judge              how often the judge is right where the truth is known
  contact            no table: sheets of prompts, and of negatives before and after

  --model DIR        a diffusers folder; its clip/ takes the features, or else its VAE.
                     Without it, and without students, tiny-teacher and its student
                     tiny, which ship with snoopi
  --student DIR      as often as there are students. LABEL=DIR names a row; several of
                     one label are trainings of one kind, whose spread is shown.
                     DIR@N draws with N passes in place of --steps
  --out DIR          where the table goes; DIR/state keeps what was counted so far
  --pictures N       of each figure and seed; 512, and 128 of each pair of exclusion
  --seeds A,B,…      of noise and captions; 0,1,2 unless given
  --teacher-steps N  DDIM steps of the model; 25 unless given
  --guidance K       its guidance beside students; 3 unless given
  --steps N          passes of students; 1 unless given
  --kappas A,B:C,…   of the table guidance, B:C for random ones; 1,2,3,4,5,2:5
  --methods M:A,B;…  of exclusion, each with its scales; all unless given. The sheets of
                     contact take the first
  --pairs A,…        of exclusion: shape (small, large, … kept away from "a shape"),
                     coloured (from shapes of each colour), colours; all unless given
  --reference N      pictures of the world to compare with; 2048 unless given
  --round-trips N    of the VAE, for what counts as valid; 512 unless given
  --batch N          pictures at once; 64 unless given
  --device NAME      webgpu, cpu or auto (webgpu where there is an adapter)`;
