import { expect, test } from "vitest";
import { distillHelp, parseDistill } from "./distill-args.ts";

const words = (line: string) => line.split(" ");

test("everything that can be said is taken", () => {
  expect(
    parseDistill(words("--config c.json --model m --set seed=2 --out=o --start s --resume --set=method.loraKappa=[0.5,4] --device cpu")),
  ).toEqual({
    ...{ config: "c.json", model: "m", out: "o", set: ["seed=2", "method.loraKappa=[0.5,4]"], resume: true, dryRun: false, device: "cpu" },
    start: "s",
  });
  // The teacher that ships; a dry run counts with published sizes.
  expect(parseDistill(words("--config c.json --out o"))).toMatchObject({ model: "tiny-teacher" });
  expect(parseDistill(words("--config c.json --dry-run --budget 20"))).toEqual({
    ...{ config: "c.json", set: [], resume: false, dryRun: true, device: "auto", budget: 20 },
  });
});

test.each([
  ["--model m", "distill: --config FILE is missing."],
  ["--config c.json --model m", "distill: --out DIR is missing."],
  ["--config c.json --model m --out o --budget 3", "distill: --budget is for --dry-run. Leave it out."],
  ["--config c.json --dry-run --budget much", 'distill: --budget is "much". Give a number, 0 or more.'],
  ["--config c.json --dry-run --start s", "distill: --start is for a run, and this is a --dry-run. Leave it out."],
  ["--config c.json --model m --out o --set", "distill: --set has no value. Write --set and its value after it."],
  ["--config c.json --model m --out o more", 'distill: "more" belongs to no option.'],
  ["--config c.json --model m --out o --device gpu", 'distill: --device is "gpu". Give one of webgpu, cpu, auto.'],
  ["--config c.json --config d.json --model m --out o", "distill: --config is given twice."],
])("%s is refused", (line, message) => {
  expect(() => parseDistill(words(line))).toThrow(message);
});

test("the help says every key of the config with its default and the words that it may be", () => {
  const text = distillHelp();
  for (const line of [
    "method.teacherKappa: null",
    'student.train: "full" (full, lora)',
    "preset: null (sd15, sd21, pixart512)",
    "clip.margin: 0.37",
  ])
    expect(text).toContain(`\n  ${line}\n`);
});

test("the help's first lines have every option of a run, and every option of a dry run", () => {
  const [usage] = distillHelp().split("\n\n");
  const [run, dry] = usage.split(/\n(?=snoopi)/);
  for (const option of ["--config", "--out", "--model", "--set", "--start", "--resume", "--device"]) expect(run).toContain(option);
  for (const option of ["--config", "--dry-run", "--model", "--set", "--budget", "--device"]) expect(dry).toContain(option);
});
