import { describe, expect, test } from "vitest";
import { negativeMethods } from "../guidance/negative-guidance.ts";
import { parseCommand } from "./args.ts";
import { type EvalOptions, evalHelp, parseEval, tableNames } from "./eval-args.ts";

const least = ["guidance", "--model", "m", "--out", "o"];
const parsed = (words: string): EvalOptions => parseEval(words.split(" "));

describe("parseEval", () => {
  test("fills in what is not given", () => {
    const { methods, ...rest } = parseEval(least);
    expect(rest).toEqual({
      ...{ table: "guidance", model: "m", out: "o", device: "auto", students: [], pictures: 512, seeds: [0, 1, 2], batch: 64 },
      ...{ reference: 2048, roundTrips: 512, teacherSteps: 25, guidance: 3, steps: 1, kappas: [1, 2, 3, 4, 5, [2, 5]] },
      pairs: ["shape", "coloured", "colours"],
    });
    // All on equal terms, and an α sweep of NASA.
    expect(methods.map(({ method }) => method).sort()).toEqual([...negativeMethods.map(({ name }) => name), "cfg", "subtract"].sort());
    expect(methods[0].scales.length).toBeGreaterThan(4);
    expect([parsed("exclusion --model m --out o").pictures, parsed("contact --model m --out o").pictures]).toEqual([128, 4]);
  });

  test("reads every option", () => {
    const words =
      "--pictures 8 --seeds 4,7 --batch 2 --reference 16 --round-trips 9 --teacher-steps 5 --guidance 2.5 --steps 2 --device cpu";
    const all = { model: "m", out: "o", device: "cpu", students: [], pictures: 8, seeds: [4, 7], batch: 2, reference: 16 };
    const more = { roundTrips: 9, teacherSteps: 5, guidance: 2.5, steps: 2 };
    expect(parsed(`guidance --model m --out o ${words} --kappas 1.5,2:3`)).toMatchObject({ ...all, ...more, kappas: [1.5, [2, 3]] });
    expect(parsed(`exclusion --model m --out o ${words} --methods nasa:0.5,1;nag:2 --pairs colours`)).toMatchObject({
      ...all,
      ...more,
      pairs: ["colours"],
      methods: [
        { method: "nasa", scales: [0.5, 1] },
        { method: "nag", scales: [2] },
      ],
    });
  });

  test("is about the models that ship where none is given", () => {
    const shipped = { model: "tiny-teacher", students: [{ label: "tiny", model: "tiny" }] };
    for (const table of ["guidance", "students", "exclusion", "contact"]) expect(parsed(`${table} --out o`)).toMatchObject(shipped);
    expect(parsed("exclusion --model m --out o")).toMatchObject({ model: "m", students: [] });
    expect(parsed("students --student s --out o")).toMatchObject({ model: "tiny-teacher", students: [{ label: "s", model: "s" }] });
  });

  test("takes students as often as they come, with labels and passes", () => {
    const { students } = parsed(
      "students --model m --out o --student runs/a/ --student pg=runs/b --student=pg=runs/c --student few=runs/d@4",
    );
    expect(students).toEqual([
      { label: "a", model: "runs/a" },
      { label: "pg", model: "runs/b" },
      { label: "pg", model: "runs/c" },
      { label: "few", model: "runs/d", steps: 4 },
    ]);
    // One folder drawn with in two ways is two students.
    expect(parsed("students --model m --out o --student x=a@1 --student y=a@2").students.map(({ steps }) => steps)).toEqual([1, 2]);
  });

  test.each([
    ["--model m --out o", 'eval: "" is no table. Give one of guidance, students, curves, exclusion, judge and contact.'],
    ["fid --model m --out o", 'eval: "fid" is no table.'],
    ["guidance judge --model m --out o", 'eval: "guidance judge" is no table.'],
    ["guidance --model m", "eval: --out DIR is missing. See snoopi eval --help."],
    ["students --model m --out o", "eval: students needs some. Add --student DIR for each."],
    ["curves --model m --out o", "eval: curves needs students. Add --student DIR for each."],
    ["guidance --model m --out o --student s", "eval: guidance is about the model alone, and --student is given. Leave it out."],
    ["students --model m --out o --student", "eval: --student has no value. Write --student DIR, or LABEL=DIR, or LABEL=DIR@STEPS."],
    ["students --model m --out o --student x=", 'eval: --student is "x=". Write'],
    ["students --model m --out o --student =x", 'eval: --student is "=x". Write'],
    ["students --model m --out o --student x@0", 'eval: --student is "x@0". Write'],
    ["students --model m --out o --student a --student b=a", "eval: the student a is given twice. Give it once."],
    ["guidance --model m --out o --pictures 0", 'eval: --pictures is "0". Give a whole number, 1 or more.'],
    ["guidance --model m --out o --pictures 1.5", 'eval: --pictures is "1.5".'],
    ["guidance --model m --out o --reference 4", 'eval: --reference is "4". Give a whole number, 8 or more.'],
    ["guidance --model m --out o --seeds=", 'eval: --seeds is "". Give whole numbers with commas between, each 0 or more.'],
    ["guidance --model m --out o --seeds 1,-2", 'eval: --seeds is "-2".'],
    ["guidance --model m --out o --seeds 1,1", "eval: --seeds has 1 twice. Give each once."],
    ["students --student s --out o --kappas 3", "eval: --kappas is for guidance, and this is students. Leave it out."],
    ["judge --model m --out o --methods nag:1", "eval: --methods is for exclusion and contact, and this is judge. Leave it out."],
    ["guidance --model m --out o --kappas 3:2", 'eval: --kappas is "3:2". Give numbers with commas between, and intervals such as 2:5.'],
    ["guidance --model m --out o --kappas x", 'eval: --kappas is "x". Give a number, 0 or more.'],
    ["exclusion --model m --out o --methods magic:1", 'eval: --methods is "magic:1". Give methods of nasa,'],
    ["exclusion --model m --out o --methods nasa", 'eval: --methods is "nasa". Give methods of'],
    ["exclusion --model m --out o --methods nasa:1:2", 'eval: --methods is "nasa:1:2". Give methods of'],
    ["exclusion --model m --out o --pairs pets", 'eval: --pairs is "pets". Give some of shape, coloured, colours with commas between.'],
    ["guidance --model m --out o --device tpu", 'eval: --device is "tpu". Give one of webgpu, cpu, auto.'],
    ["guidance --model m --out o --colour red", "eval: --colour is no option. See snoopi eval --help."],
  ])("refuses %j in one line", (words, says) => {
    expect(() => parsed(words)).toThrow(says);
  });

  test("is a command, whose help names every table", () => {
    expect(parseCommand(["eval", ...least])).toMatchObject({ kind: "eval", options: { table: "guidance" } });
    expect(parseCommand(["eval", "--help"])).toEqual({ kind: "help", text: evalHelp });
    for (const name of [...tableNames, "contact"]) expect(evalHelp).toContain(`\n  ${name} `);
    for (const line of evalHelp.split("\n")) expect(line.length).toBeLessThanOrEqual(90);
  });
});
