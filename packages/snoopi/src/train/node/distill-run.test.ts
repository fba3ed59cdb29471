import { cpSync, mkdirSync, mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { cpu, type Device } from "@snoopi/core";
import { webgpuPlan } from "@snoopi/kernels";
import { nodeFolder } from "@snoopi/models/node";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { gpu } from "../../../../../test/gpu.ts";
import { writeMiniatureTeacher } from "../../../../../test/miniature-teacher.ts";
import { generate } from "../../pipeline/generate.ts";
import { loadModel } from "../../pipeline/load.ts";
import { openModel } from "../../pipeline/open.ts";
import { clipSizes } from "../clip-sizes.ts";
import { fromCsv } from "../curve.ts";
import { checkDistillConfig, type DistillConfig, distillSchema } from "../distill-config.ts";
import { readConfig } from "../schema.ts";
import { distillCost, regressionCost } from "../student/dry.ts";
import { type DistillRunOptions, distillRun } from "./distill-run.ts";
import { readClip } from "./distill-teacher.ts";

// Distillation in miniature: 16 × 16 pixels, a few steps of everything.

const root = mkdtempSync(join(tmpdir(), "snoopi-distill-"));
afterAll(() => rmSync(root, { recursive: true, force: true }));
const model = join(root, "teacher");
let folders = 0;
const fresh = () => join(root, `student-${folders++}`);
const { signal } = new AbortController();

beforeAll(async () => {
  writeFileSync(join(root, "prompts.txt"), "a red circle\n\na small star\n\u0000\na blue square on a white background\n");
  await writeMiniatureTeacher(model);
});

const everything = {
  prompts: "prompts.txt",
  steps: 6,
  batch: 2,
  checkpointEvery: 2,
  sampleEvery: 0,
  pairs: { count: 6, batch: 4, steps: 2 },
  regression: { steps: 3, batch: 3 },
  ahead: 2,
  method: { loraSteps: 2 },
  student: { rate: { peak: 1e-3, warmup: 0.3, shape: "linear" }, ema: 0.9 },
  loraTeacher: { rank: 2, alpha: 4, targets: "all", ema: 0.9 },
  keepRegression: { weight: 0.1, batch: 2 },
  clip: { weight: 0.05, margin: 0.9 },
};
const lora = {
  ...everything,
  pairs: {},
  regression: {},
  keepRegression: {},
  ahead: 0,
  base: "f32",
  student: { train: "lora", rank: 2, alpha: 4, rate: { peak: 1e-3 }, ema: 0.9, checkpoint: true },
};

function configOf(json: unknown): DistillConfig {
  const config = readConfig(distillSchema, json);
  checkDistillConfig(config);
  return config;
}

const distil = (json: unknown, out: string, more: Partial<DistillRunOptions> = {}) =>
  distillRun(configOf(json), { device: cpu, model, out, beside: root, resume: false, signal, ...more });

/** Stops when so many steps (and pairs) of all phases are done, as Ctrl-C would have it. */
function stoppedAfter(count: number): Pick<DistillRunOptions, "signal" | "onStep"> {
  const controller = new AbortController();
  let done = 0;
  const onStep = (_: string, taken: number) => {
    done += taken;
    if (done >= count) controller.abort();
  };
  return { signal: controller.signal, onStep };
}

const read = (out: string, phase: string, file: string) => readFileSync(join(out, "training", phase, file));
const rowsOf = (out: string, phase = "distill") => fromCsv(read(out, phase, "loss.csv").toString(), phase);

describe("a distillation in miniature", () => {
  let whole: string;
  beforeAll(async () => {
    whole = fresh();
    expect((await distil(everything, whole)).finished).toBe(true);
  });

  test("tells how every part goes, in finite numbers", () => {
    const rows = rowsOf(whole);
    expect(rows).toHaveLength(6);
    expect(Object.keys(rows[0])).toEqual([
      ...["step", "loss", "norm", "g", "std", "clip", "regression", "lora", "loraNorm", "rate", "loraRate"],
    ]);
    for (const row of rows) {
      expect(Object.values(row).every(Number.isFinite)).toBe(true);
      // The loss is ½·g² with g in root mean square, the regression by its weight, and CLIP's by one that falls to 0: f32 and seven digits.
      const clip = (0.05 * (5 - row.step)) / 5;
      expect(row.loss).toBeCloseTo(row.g ** 2 / 2 + 0.1 * row.regression + clip * row.clip, 4);
    }
    expect(rowsOf(whole, "regression")).toHaveLength(3);
    expect(rowsOf(whole, "ahead")).toHaveLength(2);
  });

  test("leaves a pipeline that makes a picture in one step", async () => {
    const student = await openModel(nodeFolder(whole));
    using loaded = await loadModel(student, { device: cpu });
    const { width, data } = await generate(loaded, { prompt: "a red circle", steps: 1 });
    expect([width, data.length]).toEqual([16, 16 * 16 * 3]);
    expect(readdirSync(whole).sort()).toEqual(
      ["clip", "model_index.json", "scheduler", "text_encoder", "tokenizer", "training", "unet", "vae"].sort(),
    );
  });

  // 6 pairs, 3 steps, 2 steps, 6 steps: within each phase and at its ends.
  test.each([4, 7, 11, 15])("stopped after %i of 17 and resumed ends with the same bits", async (count) => {
    const out = fresh();
    expect((await distil(everything, out, stoppedAfter(count))).finished).toBe(false);
    expect((await distil(everything, out, { resume: true })).finished).toBe(true);
    for (const phase of ["regression", "ahead", "distill"])
      for (const file of ["checkpoint.safetensors", "loss.csv", "loss.svg"])
        expect(read(out, phase, file)).toEqual(read(whole, phase, file));
    const unet = "unet/diffusion_pytorch_model.safetensors";
    expect(readFileSync(join(out, unet))).toEqual(readFileSync(join(whole, unet)));
  });

  test("moves the loss of the regression down on the pairs it has", async () => {
    const out = fresh();
    await distil({ ...everything, steps: 1, ahead: 0, regression: { steps: 30, batch: 6, rate: { peak: 3e-3 } } }, out);
    const losses = rowsOf(out, "regression").map(({ loss }) => loss);
    expect(losses[29]).toBeLessThan(0.8 * losses[0]);
  });

  test("of an adapter merges it, and is resumed to the same bits", async () => {
    const [one, other] = [fresh(), fresh()];
    await distil(lora, one);
    await distil(lora, other, stoppedAfter(3));
    await distil(lora, other, { resume: true });
    for (const file of ["checkpoint.safetensors", "loss.csv"]) expect(read(other, "distill", file)).toEqual(read(one, "distill", file));
    const unet = "unet/diffusion_pytorch_model.safetensors";
    expect(readFileSync(join(other, unet))).toEqual(readFileSync(join(one, unet)));
    expect(readFileSync(join(one, unet))).not.toEqual(readFileSync(join(model, unet)));
    expect((await openModel(nodeFolder(one))).ignored).toEqual([]);
  });

  test.each([2, 4])("of %i steps learns by backward simulation, and is resumed to the same bits", async (steps) => {
    const json = { ...lora, base: "f16", student: { ...lora.student, steps, checkpoint: false } };
    const [one, other] = [fresh(), fresh()];
    await distil(json, one);
    await distil(json, other, stoppedAfter(4));
    await distil(json, other, { resume: true });
    for (const file of ["checkpoint.safetensors", "loss.csv"]) expect(read(other, "distill", file)).toEqual(read(one, "distill", file));
    const scheduler = JSON.parse(readFileSync(join(one, "scheduler", "scheduler_config.json"), "utf8"));
    expect(scheduler).toMatchObject({ _class_name: "LCMScheduler", original_inference_steps: steps, beta_schedule: "scaled_linear" });
    const student = await openModel(nodeFolder(one));
    expect(student.sampling).toEqual({ steps, sampler: "few-step" });
    using loaded = await loadModel(student, { device: cpu });
    const { data } = await generate(loaded, { prompt: "a red circle" });
    expect(data).toHaveLength(16 * 16 * 3);
  });

  test("of several batches an update tells the means over them, and is resumed to the same bits", async () => {
    const json = { ...everything, steps: 2, ahead: 0, accumulate: 2 };
    const [one, other] = [fresh(), fresh()];
    await distil(json, one, { start: whole });
    // Of 6 pairs and 2 steps.
    expect((await distil(json, other, { start: whole, ...stoppedAfter(7) })).finished).toBe(false);
    await expect(distil({ ...json, accumulate: 1 }, other, { resume: true })).rejects.toThrow("accumulate is 2 there and absent here");
    expect((await distil(json, other, { resume: true })).finished).toBe(true);
    for (const file of ["checkpoint.safetensors", "loss.csv"]) expect(read(other, "distill", file)).toEqual(read(one, "distill", file));
    const unet = "unet/diffusion_pytorch_model.safetensors";
    expect(readFileSync(join(other, unet))).toEqual(readFileSync(join(one, unet)));
    expect(rowsOf(one)).toHaveLength(2);
    for (const row of rowsOf(one))
      expect(row.loss).toBeCloseTo(row.g ** 2 / 2 + 0.1 * row.regression + 0.05 * (1 - row.step) * row.clip, 4);
  });

  test("takes batches of prompts, noise, pairs and CLIP's texts one after another, however many make an update", async () => {
    const [one, two] = [fresh(), fresh()];
    const still = { peak: 0 };
    const json = {
      ...{ ...everything, method: { loraSteps: 1 }, clip: { ...everything.clip, decay: "none" } },
      student: { ...everything.student, rate: still },
      loraTeacher: { ...everything.loraTeacher, rate: still },
    };
    await distil({ ...json, ahead: 4, steps: 4 }, one, { start: whole });
    await distil({ ...json, ahead: 2, steps: 2, accumulate: 2 }, two, { start: whole });
    const alone = rowsOf(one);
    for (const [i, row] of rowsOf(two).entries()) {
      const [a, b] = [alone[2 * i], alone[2 * i + 1]];
      // Seven digits of numbers around 1.
      for (const name of ["loss", "clip", "regression", "lora"]) expect(row[name], name).toBeCloseTo((a[name] + b[name]) / 2, 5);
      expect(row.g).toBeCloseTo(Math.sqrt((a.g ** 2 + b.g ** 2) / 2), 5);
      expect(a.lora).not.toBeCloseTo(b.lora, 5);
    }
    const [ahead, together] = [one, two].map((out) => fromCsv(read(out, "ahead", "loss.csv").toString(), "ahead"));
    expect(together).toHaveLength(2);
    for (const [i, { loss }] of together.entries()) {
      expect(loss).toBeCloseTo((ahead[2 * i].loss + ahead[2 * i + 1].loss) / 2, 5);
      expect(ahead[2 * i].loss).not.toBeCloseTo(ahead[2 * i + 1].loss, 5);
    }
  });

  // Of batches of 4: the last of 6 is half of one.
  test.each([10, 5])("keeps the pairs that are there where it wants %i, with the bits of drawing them all", async (count) => {
    const other = { ...everything, pairs: { ...everything.pairs, count }, ahead: 0, steps: 1 };
    const [anew, on] = [fresh(), fresh()];
    await distil(other, anew);
    cpSync(join(whole, "training", "pairs"), join(on, "training", "pairs"), { recursive: true });
    const before = read(on, "pairs", "pairs-00000.safetensors");
    await distil(other, on, { resume: true });
    expect(read(on, "pairs", "pairs-00000.safetensors")).toEqual(before);
    expect(read(on, "distill", "checkpoint.safetensors")).toEqual(read(anew, "distill", "checkpoint.safetensors"));
  });

  test("begins with the regression start of another that agrees with it in that", async () => {
    const out = fresh();
    mkdirSync(join(out, "training"), { recursive: true });
    for (const phase of ["pairs", "regression"]) cpSync(join(whole, "training", phase), join(out, "training", phase), { recursive: true });
    let taken = 0;
    const other = { ...everything, steps: 2, method: { name: "swiftBrush" }, clip: { weight: 0 } };
    await distil(other, out, { resume: true, onStep: (_, count) => (taken += count) });
    // Of 6 pairs, 3 steps, 2 steps and 2 steps.
    expect(taken).toBe(6 + 2 + 2);
    await expect(distil({ ...other, regression: { steps: 4, batch: 3 } }, out, { resume: true })).rejects.toThrow(
      "regression.steps is 3 there and 4 here",
    );
  });

  test("takes the world's captions for prompts", async () => {
    const { finished } = await distil({ ...everything, prompts: "world", steps: 2, ahead: 0 }, fresh());
    expect(finished).toBe(true);
  });

  test("takes prompts and negatives from files, for NASA-T", async () => {
    writeFileSync(join(root, "negatives.txt"), "a shape on a black background\n");
    const notes: string[] = [];
    const json = { ...everything, steps: 2, ahead: 0, negatives: "negatives.txt", method: { name: "nasaT" } };
    const { finished } = await distil(json, fresh(), { onNote: (line) => notes.push(line) });
    const skipped = "prompts.txt: skipped 2 of 5 lines: 1 empty (2), 1 with NUL or other control characters (4).";
    expect([finished, notes.join()]).toEqual([true, expect.stringContaining(skipped)]);
  });

  test("takes prompts from a column of JSON lines without the bad ones, resumed to the bits of a text file", async () => {
    const texts = ["a red circle", "a small star", "a blue square on a white background"];
    const line = (said: string) => `${JSON.stringify({ said })}\n`;
    writeFileSync(join(root, "prompts.jsonl"), `${line(texts[0])}{"said": "a br\n{}\n${line(texts[1])}`);
    writeFileSync(join(root, "more.jsonl"), line(texts[2]));
    const out = fresh();
    const json = { ...everything, prompts: { file: ["prompts.jsonl", "more.jsonl"], column: "said" } };
    const notes: string[] = [];
    // Of 6 pairs, 3 steps, 2 steps and 6 steps.
    expect((await distil(json, out, { ...stoppedAfter(13), onNote: (said) => notes.push(said) })).finished).toBe(false);
    expect(notes).toContain(
      `${join(root, "prompts.jsonl")}: skipped 2 of 4 lines: 1 not a JSON object (2), 1 without a text in the field (3).`,
    );
    const more = `${line(texts[2])}${line("a green ring")}`;
    writeFileSync(join(root, "more.jsonl"), more);
    await expect(distil(json, out, { resume: true })).rejects.toThrow(/texts\.digest is "\w+" there and "\w+" here/);
    writeFileSync(join(root, "more.jsonl"), line(texts[2]));
    expect((await distil(json, out, { resume: true })).finished).toBe(true);
    expect(read(out, "distill", "loss.csv")).toEqual(read(whole, "distill", "loss.csv"));
    const unet = "unet/diffusion_pytorch_model.safetensors";
    expect(readFileSync(join(out, unet))).toEqual(readFileSync(join(whole, unet)));
  });

  test("that keeps its encoded prompts has the bits of one that does not, stopped while it encodes or later", async () => {
    const json = { ...everything, negatives: "negatives.txt", method: { name: "nasaT" }, steps: 4 };
    writeFileSync(join(root, "negatives.txt"), "a shape on a black background\n");
    const [plain, kept] = [fresh(), fresh()];
    await distil(json, plain);
    const cached = { ...json, embeddings: { keep: "f32" } };
    const phases: string[] = [];
    // Five texts with the empty one: stopped before any is encoded, then after them, among pairs and steps.
    const early = new AbortController();
    const onPhase = () => early.abort();
    expect(await distil(cached, kept, { signal: early.signal, onPhase })).toMatchObject({
      finished: false,
      phase: "texts",
      steps: 0,
      total: 5,
    });
    for (const count of [7, 4]) expect((await distil(cached, kept, { resume: true, ...stoppedAfter(count) })).finished).toBe(false);
    expect((await distil(cached, kept, { resume: true, onPhase: (name) => phases.push(name) })).finished).toBe(true);
    expect(phases).toContain("texts");
    const unet = "unet/diffusion_pytorch_model.safetensors";
    expect(readFileSync(join(kept, unet))).toEqual(readFileSync(join(plain, unet)));
    // Eight bytes of the hash of each text.
    expect(readFileSync(join(kept, "training", "embeddings", "index.bin"))).toHaveLength(5 * 8);
    expect(() => configOf({ ...cached, prompts: "world" })).toThrow("embeddings.keep is f32 and prompts world");
    expect(() => configOf({ ...json, embeddings: { folder: "a" } })).toThrow("embeddings.folder is given, and embeddings.keep is none");
  });

  test("does not begin where there is something, nor goes on with another config or teacher", async () => {
    await expect(distil(everything, whole)).rejects.toThrow("there are pairs already. Go on with --resume");
    const other = { ...everything, student: { ...everything.student, ema: 0.8 } };
    await expect(distil(other, whole, { resume: true })).rejects.toThrow("student.ema is 0.9 there and 0.8 here");
    await expect(distil({ ...everything, pairs: { ...everything.pairs, steps: 3 } }, whole, { resume: true })).rejects.toThrow(
      "pairs-00000.safetensors: it is of another config: pairs.steps is 2 there and 3 here",
    );
    const moved = join(root, "moved");
    cpSync(model, moved, { recursive: true });
    const weights = join(moved, "unet", "diffusion_pytorch_model.safetensors");
    const bytes = readFileSync(weights);
    bytes[bytes.length - 4] ^= 1;
    writeFileSync(weights, bytes);
    await expect(distil(everything, whole, { resume: true, model: moved })).rejects.toThrow("teacher is");
  });

  test("with a number that is not finite stops, names the tensor, and keeps the checkpoint", async () => {
    const out = fresh();
    const wild = { ...everything, pairs: {}, regression: {}, keepRegression: {}, ahead: 0, checkpointEvery: 1 };
    // A rate that throws the weights beyond f32.
    const json = { ...wild, student: { ...everything.student, rate: { peak: 1e30, warmup: 0 } } };
    await expect(distil(json, out)).rejects.toThrow(
      /student of \w+, judged by \w+: step 1 has a loss of .*; the .* is the first that is not finite\..*checkpoint/,
    );
    expect(rowsOf(out)).toHaveLength(1);
  });

  test("without a CLIP says what makes one", async () => {
    const bare = join(root, "bare");
    cpSync(model, bare, { recursive: true });
    rmSync(join(bare, "clip"), { recursive: true });
    await expect(distil(everything, fresh(), { model: bare })).rejects.toThrow("snoopi train clip makes one");
  });
});

describe("a dry run", () => {
  const sizes = async () => ({ model: await openModel(nodeFolder(model)), clip: clipSizes(await readClip(model), model) });

  test("counts what is trained, and its parts add up to the peak", async () => {
    const cost = distillCost(configOf(everything), await sizes());
    expect(cost.parameters.student).toBe(cost.parameters.teacher);
    expect(cost.parts.reduce((sum, [, bytes]) => sum + bytes, 0)).toBe(cost.peakBytes);
    expect(cost.parts.every(([, bytes]) => bytes > 0)).toBe(true);
    const thrifty = distillCost(configOf({ ...everything, student: { ...everything.student, checkpoint: true } }), await sizes());
    expect(thrifty.peakBytes).toBeLessThan(cost.peakBytes);
    expect(thrifty.flops).toBeGreaterThan(cost.flops);
  });

  test("of four batches an update needs the room of one, their gradients, and what the others are given", async () => {
    const of = await sizes();
    const costs = [1, 4].map((accumulate) => distillCost(configOf({ ...everything, batch: 8, accumulate }), of));
    const [one, four] = costs;
    for (const { parts, peakBytes } of costs) expect(parts.reduce((sum, [, bytes]) => sum + bytes, 0)).toBe(peakBytes);
    const before = four.parts.filter(([name]) => name.endsWith("gradients of the batches before"));
    expect(before.map(([, bytes]) => bytes)).toEqual(one.parts.filter(([name]) => name.endsWith("gradients")).map(([, bytes]) => bytes));
    const { length, width } = of.model.text;
    const { projectionDim } = of.clip.text;
    const [context, latents] = [length * width, 4 * 4 * 4];
    // What a batch of 8 is given, with two updates of the LoRA teacher and two pairs: texts for the student and for each update, and the empty
    // one; noise to begin with, ε, and ε of each update; κ of both teachers; α, σ and the timestep of three noised pictures; CLIP's texts and
    // their weight. It is there twice, as it is given and as the program reads it. The picture is there until the LoRA teacher has learned.
    const pairs = 2 * (context + 2 * latents);
    const given = 8 * (3 * context + 4 * latents + 2 + 3 * 3 + (projectionDim ?? width)) + context + pairs + 1;
    const each = 4 * (2 * given + 8 * latents);
    const sums = before.reduce((sum, [, bytes]) => sum + bytes, 0);
    // Nothing of their activations, of which a batch has 2 MB: 3 · each is 0.24 MB.
    expect(four.peakBytes).toBeLessThanOrEqual(one.peakBytes + sums + 3 * each);
  });

  test("counts the regression, whose batch is another, by itself", async () => {
    const of = await sizes();
    const costOf = (regression: object) => regressionCost(configOf({ ...everything, regression: { steps: 3, ...regression } }), of)!;
    const [whole, four] = [costOf({ batch: 32 }), costOf({ batch: 8, accumulate: 4 })];
    for (const { parts, peakBytes } of [whole, four]) {
      expect(parts.reduce((sum, [, bytes]) => sum + bytes, 0)).toBe(peakBytes);
      expect(parts.every(([, bytes]) => bytes > 0)).toBe(true);
    }
    // More than the distillation at a batch of 2, and as many operations either way, but for the sums of gradients.
    expect(whole.peakBytes).toBeGreaterThan(distillCost(configOf(everything), of).peakBytes);
    expect(four.peakBytes).toBeLessThan(whole.peakBytes);
    expect(Math.abs(four.flops / whole.flops - 1)).toBeLessThan(0.01);
    const room = ({ parts }: typeof four, name: string) => parts.find(([part]) => part === name)?.[1];
    expect(room(four, "student: gradients of the batches before")).toBe(room(whole, "student: gradients"));
    expect(regressionCost(configOf(lora), of)).toBeUndefined();
  });

  test.skipIf(!gpu.device).each([
    ["all weights", everything],
    ["an adapter", lora],
  ])("starts as many kernels as the run, with %s", async (_, json) => {
    const device = gpu.device as Device & { readonly facts: Parameters<typeof webgpuPlan>[0] };
    const { dispatches } = await distil(
      { ...json, steps: 2, pairs: everything.pairs, keepRegression: everything.keepRegression },
      fresh(),
      { device },
    );
    const cost = distillCost(
      configOf({ ...json, pairs: everything.pairs, keepRegression: everything.keepRegression }),
      await sizes(),
      webgpuPlan(device.facts),
    );
    expect(cost.dispatches.captured).toBe(dispatches);
  });
});
