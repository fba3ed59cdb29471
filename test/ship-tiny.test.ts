import { cpSync, mkdirSync, readdirSync, readFileSync, renameSync, symlinkSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { cpu, toNumbers } from "@snoopi/core";
import { openSafetensors } from "@snoopi/models";
import { fileSource, nodeFolder, writeSafetensors } from "@snoopi/models/node";
import { generate, loadModel, openModel } from "@snoopi/snoopi";
import { afterEach, beforeEach, describe, expect, test } from "vitest";
import { card } from "../scripts/ship-tiny/card.ts";
import { holdings } from "../scripts/ship-tiny/holding.ts";
import { replaceAll } from "../scripts/ship-tiny/replace.ts";
import { checkRun } from "../scripts/ship-tiny/run.ts";
import { madeIn, ship } from "../scripts/ship-tiny/ship.ts";
import { editJson } from "./cli/broken-model.ts";
import { root, temporary, tiny } from "./cli/command.ts";

let folder: ReturnType<typeof temporary>;
let [teacher, student, to, results] = ["", "", "", ""];
beforeEach(() => {
  folder = temporary();
  [teacher, student, to, results] = ["teacher", "student", "package", "results"].map((name) => join(folder.path, name));
  for (const path of [to, results]) mkdirSync(path);
  cpSync(tiny("third"), teacher, { recursive: true });
  // Only that it is there, and in f32, is asked of it.
  cpSync(join(tiny("sd15"), "text_encoder"), join(teacher, "clip"), { recursive: true });
  cpSync(tiny("third"), student, { recursive: true });
});
afterEach(() => folder.remove());

const weightsOf = async (path: string) => {
  const file = await openSafetensors(await fileSource(path), path);
  const name = [...file.entries.keys()].sort()[0]!;
  const { dtype, data } = await file.read(name);
  await file.close();
  return { dtypes: new Set([...file.entries.values()].map((entry) => entry.dtype)), first: [...toNumbers(dtype, data)] };
};
const readme = () => readFileSync(join(to, "README.md"), "utf8");

/** A checkpoint as far as its header: what a run has to say of itself. */
async function checkpoint(model: string, stage: string, { step, config }: { step: number; config: Record<string, unknown> }) {
  const path = join(model, "training", stage);
  mkdirSync(path, { recursive: true });
  const metadata = { "snoopi.config": JSON.stringify(config), "snoopi.training": JSON.stringify({ version: 1, model: stage, step }) };
  await writeSafetensors(join(path, "checkpoint.safetensors"), [["x", { dtype: "f32", shape: [1], data: Float32Array.of(1) }]], {
    metadata,
  });
}

describe("shipping", () => {
  test("puts both models into the package in f16, which draw", async () => {
    await ship({ models: { teacher, student }, results, to });
    expect(readdirSync(to).sort()).toEqual(["README.md", "made.json", "student", "teacher"]);
    expect(readdirSync(join(to, "teacher")).sort()).toEqual([
      ...["clip", "model_index.json", "scheduler", "text_encoder", "tokenizer", "unet", "vae"],
    ]);
    expect(readdirSync(join(to, "student"))).not.toContain("clip");
    const file = "unet/diffusion_pytorch_model.safetensors";
    const [before, after] = [await weightsOf(join(teacher, file)), await weightsOf(join(to, "teacher", file))];
    expect([...after.dtypes]).toEqual(["F16"]);
    // Half a unit in the last of 11 digits.
    for (const [i, value] of after.first.entries())
      expect(Math.abs(value - before.first[i]!)).toBeLessThanOrEqual(2 ** -11 * Math.abs(value) + 2 ** -25);
    for (const model of ["teacher", "student"]) {
      const config = JSON.parse(readFileSync(join(to, model, "text_encoder", "config.json"), "utf8"));
      expect(config).toMatchObject({ dtype: "float32", model_type: "clip_text_model" });
      using loaded = await loadModel(await openModel(nodeFolder(join(to, model))), { device: cpu });
      expect((await generate(loaded, { prompt: "a cat", steps: 1 })).data.length).toBe(40 * 40 * 3);
    }
  });

  test("leaves numbers of a config as they are written: to transformers 1 is not 1.0", async () => {
    await ship({ models: { student }, results, to });
    const [before, after] = [student, join(to, "student")].map((path) => readFileSync(join(path, "text_encoder", "config.json"), "utf8"));
    expect(after!.replace(/"dtype": "float32"/, "")).toBe(before!.replace(/"dtype": "\w+"/, ""));
    expect(after).toContain('"initializer_factor": 1.0,');
  });

  test("tells of a student by its scheduler how many steps it takes", async () => {
    await ship({ models: { student }, results, to });
    const { sampling } = await openModel(nodeFolder(join(to, "student")));
    expect(sampling).toEqual({ steps: 1, sampler: "few-step" });
    const scheduler = join(student, "scheduler", "scheduler_config.json");
    editJson(scheduler, (json) => Object.assign(json, { _class_name: "LCMScheduler", original_inference_steps: 2 }));
    await ship({ models: { student }, results, to });
    expect((await openModel(nodeFolder(join(to, "student")))).sampling).toEqual({ steps: 2, sampler: "few-step" });
  });

  test("takes a teacher part by part, and says what is still to come", async () => {
    const grown = join(folder.path, "grown");
    mkdirSync(grown);
    const add = (...names: string[]) => {
      for (const name of names) cpSync(join(teacher, name), join(grown, name), { recursive: true });
    };
    add("vae");
    mkdirSync(join(grown, "training", "clip"), { recursive: true });
    // What trains on is no concern of what is done.
    writeFileSync(join(grown, "training", "clip", ".lock"), "");
    expect((await ship({ models: { teacher: grown }, results, to }))[0]).toBe("teacher: vae; clip, teacher not there yet");
    expect(readdirSync(join(to, "teacher"))).toEqual(["vae"]);
    expect(readme()).toContain("There is no whole model in it yet");
    add("text_encoder", "tokenizer", "clip", "unet", "scheduler", "model_index.json");
    await expect(ship({ models: { teacher: grown }, results, to })).rejects.toThrow("training/clip: a run is at work in it");
    expect(readdirSync(join(to, "teacher"))).toEqual(["vae"]);
  });

  test("refuses a teacher with less than ships already, and leaves the package as it was", async () => {
    await ship({ models: { teacher }, results, to });
    const card = readme();
    const bare = join(folder.path, "bare");
    cpSync(join(teacher, "vae"), join(bare, "vae"), { recursive: true });
    await expect(ship({ models: { teacher: bare }, results, to })).rejects.toThrow(
      `${bare}: it has vae, and of the teacher that ships clip, teacher would go. Train those first, or remove ${join(to, "teacher")}.`,
    );
    expect(readdirSync(to).sort()).toEqual(["README.md", "made.json", "teacher"]);
    expect(readdirSync(join(to, "teacher"))).toContain("unet");
    expect(readme()).toBe(card);
  });

  test("takes up what a killed run left: the old model is back, or goes when the new one is there", async () => {
    await ship({ models: { student }, results, to });
    renameSync(join(to, "student"), join(to, ".student.old"));
    mkdirSync(join(to, ".student.tmp"));
    const gone = join(folder.path, "gone");
    cpSync(student, gone, { recursive: true });
    editJson(join(gone, "vae", "config.json"), (json) => (json.magic = 1));
    await expect(ship({ models: { teacher, student: gone }, results, to })).rejects.toThrow("vae.magic");
    expect(readdirSync(to).sort()).toEqual(["README.md", "made.json", "student"]);
    cpSync(join(to, "student"), join(to, ".student.old"), { recursive: true });
    await ship({ models: { student }, results, to });
    expect(readdirSync(to).sort()).toEqual(["README.md", "made.json", "student"]);
  });

  test.each([false, true])("puts all models in place or, when one cannot be, none of them: with one there before, %s", async (before) => {
    const write = (name: string) => {
      mkdirSync(join(to, name));
      writeFileSync(join(to, name, "file"), name);
    };
    const places = ["a", "b"].map((name) => ({
      target: join(to, name),
      temporary: join(to, `.${name}.tmp`),
      old: join(to, `.${name}.old`),
    }));
    for (const name of before ? ["a", "b", ".a.tmp"] : [".a.tmp"]) write(name);
    await expect(replaceAll(places)).rejects.toThrow(".b.tmp");
    expect(readdirSync(to)).toEqual(before ? ["a", "b"] : []);
    if (before) expect(readFileSync(join(to, "a", "file"), "utf8")).toBe("a");
    for (const name of [".a.tmp", ".b.tmp"]) write(name);
    await replaceAll(places);
    expect(readdirSync(to)).toEqual(["a", "b"]);
    expect(readFileSync(join(to, "b", "file"), "utf8")).toBe(".b.tmp");
  });

  test("refuses a model whose checkpoint cannot be looked at: it may have steps to go", async () => {
    const training = join(teacher, "training", "vae");
    mkdirSync(training, { recursive: true });
    symlinkSync("checkpoint.safetensors", join(training, "checkpoint.safetensors"));
    await expect(ship({ models: { teacher }, results, to })).rejects.toThrow("checkpoint.safetensors: it cannot be read, ELOOP");
  });

  test("keeps of one model what it was when the other ships", async () => {
    await checkpoint(teacher, "vae", { step: 7, config: { steps: 7, batch: 3 } });
    await ship({ models: { teacher }, results, to });
    expect(readme()).toMatch(/snoopi train vae` +\| +7 +\| +3 /);
    expect(readme()).toContain("The student is not there yet.");
    await ship({ models: { student }, results, to });
    expect(readme()).toMatch(/snoopi train vae` +\| +7 +\| +3 /);
    expect(readme()).not.toContain("not there yet");
    expect(readdirSync(to).sort()).toEqual(["README.md", "made.json", "student", "teacher"]);
  });

  test("says of a student whose autoencoder is not the teacher's that it is another's", async () => {
    await ship({ models: { teacher, student }, results, to });
    expect(readme()).not.toContain("another teacher");
    const path = join(student, "vae", "diffusion_pytorch_model.safetensors");
    const bytes = readFileSync(path);
    // The sign of the last number.
    bytes[bytes.length - 1]! ^= 0x80;
    writeFileSync(path, bytes);
    await ship({ models: { student }, results, to });
    expect(readme()).toContain("The student learned from another teacher than the one here");
  });

  test("says of a teacher that went on from another what both were trained on", async () => {
    const start = join(folder.path, "first");
    for (const stage of ["vae", "teacher"]) await checkpoint(start, stage, { step: 7, config: { steps: 7, batch: 3 } });
    await checkpoint(teacher, "teacher", { step: 8, config: { steps: 8, batch: 5 } });
    await ship({ models: { teacher, student }, start, results, to });
    const rows = [...readme().matchAll(/`snoopi (train [^`]+)` +\| +(\d+) +\| +(\d+) /g)].map((row) => row.slice(1));
    expect(rows).toEqual([
      ["train vae", "7", "3"],
      ["train teacher", "7", "3"],
      ["train teacher --start", "8", "5"],
    ]);
    await checkpoint(start, "vae", { step: 6, config: { steps: 7, batch: 3 } });
    await expect(ship({ models: { teacher }, start, results, to })).rejects.toThrow("6 of 7 steps are taken");
  });

  test.each([
    ["has steps to take", "teacher", "vae", 6, { steps: 7 }, "training/vae/checkpoint.safetensors: 6 of 7 steps are taken."],
    ["has steps of its start to take", "student", "regression", 6, { steps: 9, regression: { steps: 8 } }, "6 of 8 steps are taken."],
  ] as const)("refuses a training that %s, and leaves the package as it was", async (_, model, stage, step, config, says) => {
    const from = { teacher, student }[model];
    await checkpoint(from, stage, { step, config });
    await expect(ship({ models: { [model]: from }, results, to })).rejects.toThrow(says);
    expect(readdirSync(to)).toEqual([]);
  });

  test("refuses a student that is not whole, and weights that are not its config's or not finite", async () => {
    const bare = join(folder.path, "bare");
    cpSync(join(student, "vae"), join(bare, "vae"), { recursive: true });
    await expect(ship({ models: { student: bare }, results, to })).rejects.toThrow(
      "there is no unet, scheduler, text_encoder, tokenizer, model_index.json",
    );
    editJson(join(student, "unet", "config.json"), (json) => (json.norm_num_groups = 6));
    editJson(join(student, "vae", "config.json"), (json) => (json.magic = 1));
    await expect(ship({ models: { student }, results, to })).rejects.toThrow("the config keys vae.magic are unknown");
    const path = join(student, "unet", "diffusion_pytorch_model.safetensors");
    await writeSafetensors(path, [["w", { dtype: "f32", shape: [1], data: Float32Array.of(Number.NaN) }]]);
    await expect(ship({ models: { student }, results, to })).rejects.toThrow("w holds a number that is not finite");
    expect(readdirSync(to)).toEqual([]);
  });
});

test("a run is shipped when its last step is done, and those before it", () => {
  const written = (steps: Record<string, boolean>) => {
    const record = Object.entries(steps).map(([name, done]) => [name, { command: "", seconds: 1, done }]);
    writeFileSync(join(folder.path, "steps.json"), JSON.stringify(Object.fromEntries(record)));
    return () => checkRun(folder.path);
  };
  expect(() => checkRun(folder.path)).toThrow("there is no steps.json");
  expect(written({ vae: true, clip: false })).toThrow("clip, table of contact did not come to its end");
  // Killed in the step after it, which is not written down.
  expect(written({ vae: true })).toThrow("table of contact did not come to its end");
  expect(written({ vae: true, "table of contact": false })).toThrow("table of contact did not come to its end");
  expect(written({ vae: true, "table of contact": true })).not.toThrow();
});

describe("the card", () => {
  const spread = { count: 2, mean: 0.9123, spread: 0.01 };

  test("has the figures of the tables that are there, of the models that ship, and of no others", async () => {
    writeFileSync(
      join(results, "students.json"),
      JSON.stringify({
        title: "Students",
        columns: { fidelity: { better: "higher", meaning: "how well" } },
        rows: [
          { name: "teacher, DDIM 25, κ 3", figures: { fidelity: { count: 1, mean: 0.97 } } },
          { name: "nasa-t", figures: { fidelity: spread } },
          { name: "pg-sb", figures: { fidelity: { count: 1, mean: 0.123 } } },
        ],
      }),
    );
    await ship({ models: { student }, results, to });
    expect(readme()).toMatch(/\| nasa-t +\| 0\.912 ± 0\.010 \|/);
    expect(readme()).toMatch(/\| teacher, DDIM 25, κ 3 +\| +0\.970 \|/);
    expect(readme()).toContain("- _fidelity_: how well.");
    expect(readme()).toContain("The student has 94 % of the teacher's fidelity.");
    expect(readme()).not.toMatch(/pg-sb|Negative prompts|The judge/);
  });

  test("in the repository is what its weights, checkpoints and tables make of it", async () => {
    const own = join(root, "packages", "tiny");
    expect(readFileSync(join(own, "README.md"), "utf8")).toBe(card(await madeIn(own), await holdings(own)));
  });
});
