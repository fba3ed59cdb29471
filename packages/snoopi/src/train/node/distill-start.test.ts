import { cpSync, existsSync, mkdirSync, mkdtempSync, readdirSync, readFileSync, rmSync, statSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { cpu } from "@snoopi/core";
import { nodeFolder } from "@snoopi/models/node";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { writeMiniatureTeacher } from "../../../../../test/miniature-teacher.ts";
import { generate } from "../../pipeline/generate.ts";
import { loadModel } from "../../pipeline/load.ts";
import { openModel } from "../../pipeline/open.ts";
import { checkDistillConfig, distillSchema } from "../distill-config.ts";
import { readConfig } from "../schema.ts";
import { type DistillRunOptions, distillRun } from "./distill-run.ts";
import { snapshotsOf } from "./snapshot.ts";

// Starts that are shared and snapshots that are kept, in miniature.

const home = mkdtempSync(join(tmpdir(), "snoopi-start-"));
afterAll(() => rmSync(home, { recursive: true, force: true }));
const model = join(home, "teacher");
const { signal } = new AbortController();
let folders = 0;
const fresh = () => join(home, `student-${folders++}`);

const json = {
  ...{ prompts: "prompts.txt", steps: 4, batch: 1, checkpointEvery: 3, sampleEvery: 0, seed: 1, startSeed: 0 },
  pairs: { count: 4, batch: 2, steps: 2 },
  regression: { steps: 3, batch: 2, ema: 0.5, rate: { peak: 1e-3 } },
  ahead: 1,
  student: { rate: { peak: 1e-3 }, ema: 0.5 },
  loraTeacher: { rank: 2, alpha: 4 },
  clip: { weight: 0 },
};

/** Distils, and tells the steps and pairs of each phase that were done now. */
async function distil(config: object, out: string, more: Partial<DistillRunOptions> = {}): Promise<Record<string, number>> {
  const read = readConfig(distillSchema, config);
  checkDistillConfig(read);
  const done: Record<string, number> = {};
  let phase = "";
  await distillRun(read, {
    ...{ device: cpu, model, out, beside: home, resume: false, signal },
    onPhase(name) {
      phase = name;
      done[name] = 0;
    },
    ...more,
    onStep(note, count) {
      done[phase] += count;
      more.onStep?.(note, count);
    },
  });
  return done;
}

const unet = "unet/diffusion_pytorch_model.safetensors";
const bytes = (out: string, file: string) => readFileSync(join(out, file));
const stepsOf = (out: string) => readdirSync(join(out, "snapshots")).sort();

let first: string;
beforeAll(async () => {
  writeFileSync(join(home, "prompts.txt"), "a cat\na dog\n");
  await writeMiniatureTeacher(model);
  first = fresh();
  await distil({ ...json, seed: 0, startSeed: null }, first);
});

describe("a start that is shared", () => {
  test("gives students of other seeds the bits that they would have had from nothing, and no pair is drawn again", async () => {
    const [alone, shared] = [fresh(), fresh()];
    expect(await distil(json, alone)).toEqual({ pairs: 4, regression: 3, ahead: 1, distill: 4 });
    // Pairs that are there are told as they are read.
    expect(await distil(json, shared, { start: first })).toEqual({ pairs: 4, regression: 0, ahead: 1, distill: 4 });
    expect(bytes(shared, unet)).toEqual(bytes(alone, unet));
    for (const file of ["loss.csv", "checkpoint.safetensors", "sample-000003.png"])
      expect(bytes(shared, `training/regression/${file}`)).toEqual(bytes(first, `training/regression/${file}`));
    const pairs = "training/pairs/pairs-00000.safetensors";
    expect(statSync(join(shared, pairs)).ino).toBe(statSync(join(first, pairs)).ino);
    // What follows is the seed's own.
    expect(bytes(shared, unet)).not.toEqual(bytes(first, unet));
    expect(bytes(shared, "training/ahead/loss.csv")).not.toEqual(bytes(first, "training/ahead/loss.csv"));
    // The LoRA teacher goes ahead with the student that the regression left.
    expect(bytes(first, "training/ahead/sample-000001.png")).toEqual(bytes(first, "training/regression/sample-000003.png"));
  });

  test("may be half done, and what is missing is made", async () => {
    const [half, out] = [fresh(), fresh()];
    const controller = new AbortController();
    let done = 0;
    // After the pairs and one step of the regression.
    const onStep = (_: string, count: number) => {
      done += count;
      if (done >= 5) controller.abort();
    };
    await distil(json, half, { signal: controller.signal, onStep });
    rmSync(join(half, "training/pairs/pairs-00001.safetensors"));
    expect(await distil(json, out, { start: half })).toMatchObject({ regression: 2, distill: 4 });
    expect(bytes(out, "training/regression/loss.csv")).toEqual(bytes(first, "training/regression/loss.csv"));
    expect(bytes(out, "training/pairs/pairs-00001.safetensors")).toEqual(bytes(first, "training/pairs/pairs-00001.safetensors"));
  });

  test("is the pairs alone where there is no regression of them first", async () => {
    const out = fresh();
    const config = { ...json, steps: 1, ahead: 0, regression: {}, keepRegression: { weight: 0.1, batch: 1 } };
    expect(await distil(config, out, { start: first })).toEqual({ pairs: 4, distill: 1 });
    expect([existsSync(join(out, "training/regression")), existsSync(join(out, "snapshots"))]).toEqual([false, false]);
    const pairs = "training/pairs/pairs-00001.safetensors";
    expect(statSync(join(out, pairs)).ino).toBe(statSync(join(first, pairs)).ino);
  });

  test("goes on with what the student has, and begins nowhere without --resume", async () => {
    const out = fresh();
    const controller = new AbortController();
    const stop = { signal: controller.signal, onStep: () => controller.abort() };
    await distil(json, out, { start: first, ...stop });
    await expect(distil(json, out, { start: first })).rejects.toThrow("there are pairs already. Go on with --resume");
    expect(await distil(json, out, { start: first, resume: true })).toMatchObject({ regression: 0, distill: 4 });
    // Nor with what follows the start, where the start itself is taken again.
    for (const phase of ["pairs", "regression"]) rmSync(join(out, "training", phase), { recursive: true });
    await expect(distil(json, out, { start: first })).rejects.toThrow("ahead/checkpoint.safetensors: there is a checkpoint already");
  });

  test("of another config, seed or teacher is refused before anything is taken", async () => {
    const refused = async (config: object, says: string, more: Partial<DistillRunOptions> = {}) => {
      const out = fresh();
      await expect(distil({ ...json, ...config }, out, { start: first, ...more })).rejects.toThrow(says);
      expect(existsSync(join(out, "training", "pairs"))).toBe(false);
    };
    await refused(
      { startSeed: null },
      "pairs-00000.safetensors: it is of another config: seed is 0 there and 1 here. Take its config, with startSeed where",
    );
    await refused(
      { regression: { ...json.regression, steps: 2 } },
      "it is of another config: regression.steps is 3 there and 2 here. Take its",
    );
    await refused(
      { student: { ...json.student, timestep: 400 } },
      "it is of another config: student.timestep is absent there and 400 here. Take its",
    );
    const other = join(home, "other-teacher");
    cpSync(model, other, { recursive: true });
    const weights = readFileSync(join(other, unet));
    weights[weights.length - 4] ^= 1;
    writeFileSync(join(other, unet), weights);
    await refused({}, "teacher is", { model: other });
    await refused({}, "there are no pairs to start from. Give --start the folder of a student", { start: join(home, "nowhere") });
    await expect(distil(json, first, { start: `${first}/` })).rejects.toThrow("--start is the student's own folder");
    await expect(distil({ ...json, startSeed: null, pairs: {}, regression: {} }, fresh(), { start: first })).rejects.toThrow(
      "--start is given, and pairs.count is 0",
    );
  });
});

describe("snapshots", () => {
  const bare = { ...json, ahead: 0 };
  const kept = { ...bare, snapshotEvery: 2 };
  let whole: string;
  beforeAll(async () => {
    whole = fresh();
    await distil(kept, whole, { start: first });
  });

  test("are folders of a model as the student is, from the start to the end, and take the room of a UNet", async () => {
    const all = await snapshotsOf(whole);
    expect(all.map(({ taken }) => taken)).toEqual([0, 2, 4]);
    for (const { folder } of all) {
      using loaded = await loadModel(await openModel(nodeFolder(folder)), { device: cpu });
      const { width } = await generate(loaded, { prompt: "a cat", steps: 1 });
      expect(width).toBe(16);
    }
    const [start, middle, end] = all.map(({ folder }) => bytes(folder, unet));
    expect(end).toEqual(bytes(whole, unet));
    expect(middle).not.toEqual(end);
    expect(start).not.toEqual(middle);
    expect(start).not.toEqual(bytes(model, unet));
    const vae = "vae/diffusion_pytorch_model.safetensors";
    expect(statSync(join(all[1].folder, vae)).ino).toBe(statSync(join(all[2].folder, vae)).ino);
  });

  test("change nothing of the student, nor need a student that is resumed have them", async () => {
    const out = fresh();
    await distil(bare, out, { start: first });
    expect(bytes(out, unet)).toEqual(bytes(whole, unet));
    await distil(kept, out, { resume: true });
    // Of steps that were taken before there is none, but of the start.
    expect(stepsOf(out)).toEqual(["step-000000"]);
    await expect(snapshotsOf(first)).rejects.toThrow(`${join(first, "snapshots")}: there are no snapshots. Distil the student with`);
  });

  test("of a run that was killed stay as they are, and it ends with the same bits", async () => {
    const out = fresh();
    const killed = join(home, "killed");
    // What is there after the third step, whose checkpoint is not: a snapshot that the run will come by again, and one that was begun.
    let steps = 0;
    const onStep = (note: string) => {
      if (note === "" || ++steps !== 3) return;
      cpSync(out, killed, { recursive: true });
    };
    await distil(kept, out, { start: first, onStep });
    rmSync(join(killed, "training", "distill"), { recursive: true });
    const begun = join(killed, "snapshots", ".step-000004.123.tmp");
    mkdirSync(begun);
    writeFileSync(join(begun, "model_index.json"), "{");
    expect(stepsOf(killed)).toEqual([".step-000004.123.tmp", "step-000000", "step-000002"]);
    const { mtimeMs } = statSync(join(killed, "snapshots/step-000002", unet));
    expect(await distil(kept, killed, { resume: true })).toMatchObject({ distill: 4 });
    expect(stepsOf(killed)).toEqual(["step-000000", "step-000002", "step-000004"]);
    expect(statSync(join(killed, "snapshots/step-000002", unet)).mtimeMs).toBe(mtimeMs);
    for (const { folder, taken } of await snapshotsOf(killed))
      expect(bytes(folder, unet)).toEqual(bytes(whole, `snapshots/step-00000${taken}/${unet}`));
  });

  test("of another student are not taken for its own", async () => {
    const out = fresh();
    mkdirSync(out);
    cpSync(join(whole, "snapshots"), join(out, "snapshots"), { recursive: true });
    await expect(distil({ ...kept, batch: 2 }, out, { start: first })).rejects.toThrow(
      `step-000000: it is of another student: config.batch is 1 there and 2 here. Remove ${join(out, "snapshots")}, or give another --out.`,
    );
  });
});
