import { spawn } from "node:child_process";
import { existsSync, readFileSync } from "node:fs";
import { join } from "node:path";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { table2 } from "../../packages/snoopi/src/distill/kappa.ts";
import { distillMethods } from "../../packages/snoopi/src/distill/method.ts";
import { distillSchema, methodOf, regressionConfig } from "../../packages/snoopi/src/train/distill-config.ts";
import { readConfig } from "../../packages/snoopi/src/train/schema.ts";
import { withKeys } from "../../packages/snoopi/src/train/set-keys.ts";
import { type Table2Row, table2Rows } from "../../scripts/tiny-world/table2.ts";
import { build, root, temporary } from "./command.ts";

// The whole chain by its one line, in miniature: autoencoder, text encoder, teacher, student, tables.

const folder = temporary();
afterAll(() => folder.remove());
const out = join(folder.path, "world");

/** What the line prints, and its exit code. */
function chain(...words: readonly string[]): Promise<{ code: number | null; text: string }> {
  const child = spawn(process.execPath, ["--import", "tsx", join(root, "scripts/tiny-world.ts"), ...words], {
    cwd: root,
    env: { PATH: process.env.PATH, HOME: process.env.HOME },
    stdio: ["ignore", "pipe", "pipe"],
  });
  let text = "";
  for (const stream of [child.stdout, child.stderr]) stream.setEncoding("utf8").on("data", (part: string) => (text += part));
  return new Promise((ended, failed) => child.on("error", failed).on("close", (code) => ended({ code, text })));
}

/** Means of a column over the first and the last fifth of the steps. */
function ends(path: string, column: string): [first: number, last: number] {
  const [head, ...rows] = readFileSync(join(out, path, "loss.csv"), "utf8")
    .trimEnd()
    .split("\n");
  const at = head!.split(",").indexOf(column);
  const values = rows.map((row) => Number(row.split(",")[at]));
  const fifth = Math.ceil(values.length / 5);
  const mean = (part: readonly number[]) => part.reduce((sum, x) => sum + x, 0) / part.length;
  return [mean(values.slice(0, fifth)), mean(values.slice(-fifth))];
}

test("methods of Table 2 are the samplers of κ that it names, and TTUR's, from one start", () => {
  const file = JSON.parse(readFileSync(join(root, "packages/snoopi/configs/tiny-table2.json"), "utf8"));
  const configOf = (row: Table2Row) => readConfig(distillSchema, withKeys(file, table2Rows[row]));
  const methods = (Object.keys(table2Rows) as Table2Row[]).map((row) => [row, methodOf(configOf(row))] as const);
  const { none, teacher, lora, both, mean } = table2(0.5, 4);
  expect(Object.fromEntries(methods.map(([row, { kappa }]) => [row, kappa]))).toEqual({
    "random-none": none,
    "random-teacher": teacher,
    "random-lora": lora,
    "random-both": both,
    "fixed-mean": mean,
    ttur: distillMethods.ttur.kappa,
  });
  // One update of the LoRA teacher for one of the student, as in the paper, and five.
  for (const [row, { loraSteps }] of methods) expect(loraSteps).toBe(row === "ttur" ? distillMethods.ttur.loraSteps : 1);
  const student = readConfig(distillSchema, JSON.parse(readFileSync(join(root, "packages/snoopi/configs/tiny-student.json"), "utf8")));
  for (const [row] of methods) expect(regressionConfig({ ...configOf(row), seed: 7 })).toEqual(regressionConfig(student));
});

describe("the tiny world from nothing", () => {
  // A dozen processes, each of which compiles its kernels; on two cores that do something else as well, ten minutes.
  beforeAll(async () => {
    build();
    const { code, text } = await chain("--out", out, "--size", "miniature");
    expect(code, text).toBe(0);
  }, 1_500_000);

  // Measured: 0.16, 0.79, 0.16, 0.42, 0.69, 0.67.
  test.each([
    ["first/training/vae", "loss", 0.4],
    ["first/training/clip", "loss", 0.9],
    ["first/training/teacher", "loss", 0.4],
    ["student/training/regression", "loss", 0.7],
    ["student/training/distill", "loss", 0.9],
    ["student/training/distill", "lora", 0.9],
  ])("%s: its %s falls to less than %d of what it was", (path, column, share) => {
    const [first, last] = ends(path, column);
    expect(last).toBeLessThan(first * share);
  });

  test.each(["judge", "guidance", "students", "curves", "exclusion"])("the table %s is there as numbers and to be read", (name) => {
    const table = JSON.parse(readFileSync(join(out, "results", `${name}.json`), "utf8"));
    expect(JSON.stringify(table)).not.toMatch(/null|NaN/);
    expect(readFileSync(join(out, "results", `${name}.md`), "utf8")).toMatch(/^\|.*\|$/m);
  });

  test("methods begin with the student's regression and differ after it", () => {
    const [both, mean] = ["random-both", "fixed-mean"].map((name) => join(out, "methods", `${name}-1`));
    const bytes = (folder: string, file: string) => readFileSync(join(folder, file));
    const csv = "training/regression/loss.csv";
    for (const one of [both, mean]) expect(bytes(one, csv)).toEqual(bytes(join(out, "student"), csv));
    const unet = (step: number) => `snapshots/step-00000${step}/unet/diffusion_pytorch_model.safetensors`;
    expect(bytes(both, unet(0))).toEqual(bytes(mean, unet(0)));
    expect(bytes(both, unet(2))).not.toEqual(bytes(mean, unet(2)));
    const { rows } = JSON.parse(readFileSync(join(out, "results", "curves.json"), "utf8"));
    const [first, second] = rows.map(({ points }: { points: { step: number; figures: object }[] }) => points);
    expect(first.map(({ step }: { step: number }) => step)).toEqual([0, 2]);
    expect(first[0]).toEqual(second[0]);
    expect(readFileSync(join(out, "results", "students.md"), "utf8")).toMatch(/^\| random-both .*\n\| fixed-mean /m);
  });

  test("sheets of pictures are drawn", () => {
    for (const name of ["contact-prompts.png", "contact-negatives.png"]) expect(existsSync(join(out, "results", name))).toBe(true);
  });

  test("the same line again does nothing", async () => {
    const { code, text } = await chain("--out", out, "--size", "miniature");
    expect([code, text.match(/: done before/g)?.length, text.includes("$ snoopi")]).toEqual([0, 13, false]);
  });

  test("a line that is wrong says in what", async () => {
    expect(await chain("--size", "miniature")).toEqual({ code: 2, text: expect.stringContaining("--out DIR is missing") });
    expect(await chain("--out", out, "--size", "huge")).toEqual({ code: 2, text: expect.stringContaining('--size is "huge"') });
  }, 60_000);
});
