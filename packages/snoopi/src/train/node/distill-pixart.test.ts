import { mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { cpu, scope, tensor, torchGenerator } from "@snoopi/core";
import { countOf } from "@snoopi/models";
import { nodeFolder } from "@snoopi/models/node";
import { afterAll, beforeAll, expect, test } from "vitest";
import { writePixArt } from "../../../../../test/snoopi/pixart-folder.ts";
import { encodeTexts, tokenIds } from "../../pipeline/encode-texts.ts";
import { generate } from "../../pipeline/generate.ts";
import { type LoadedModel, loadModel } from "../../pipeline/load.ts";
import { openModel } from "../../pipeline/open.ts";
import { planOf } from "../../pipeline/request.ts";
import { needed } from "../../pipeline/shape.ts";
import { withZeroPadding } from "../../pipeline/zero-padding.ts";
import { checkDistillConfig, distillSchema } from "../distill-config.ts";
import { readConfig } from "../schema.ts";
import { distillCost, encodingCost } from "../student/dry.ts";
import { distillRun } from "./distill-run.ts";
import { openDistillTeacher } from "./distill-teacher.ts";

// A transformer whose text has padding that nobody may see, and whose student begins at another timestep.

const root = mkdtempSync(join(tmpdir(), "snoopi-distill-pixart-"));
afterAll(() => rmSync(root, { recursive: true, force: true }));
const model = join(root, "teacher");
const { signal } = new AbortController();

beforeAll(async () => {
  writeFileSync(join(root, "prompts.txt"), "a cat\na red chair by the lake\na photo of a cat\n");
  writeFileSync(join(root, "negatives.txt"), "blurry\nlow quality\n");
  await writePixArt(model);
});

const config = {
  prompts: "prompts.txt",
  negatives: "negatives.txt",
  steps: 3,
  batch: 2,
  sampleEvery: 0,
  ahead: 1,
  pairs: { count: 2, batch: 2, steps: 2 },
  regression: { steps: 1, batch: 2 },
  method: { name: "pgSb", teacherKappa: [0.5, 3], loraKappa: [0.5, 3], nasa: [0, 1] },
  student: { timestep: 400, rate: { peak: 1e-4 }, ema: 0 },
  loraTeacher: { rank: 2, alpha: 4 },
  keepRegression: { weight: 0.1, batch: 2 },
  clip: { weight: 0 },
};
const configOf = (json: unknown) => {
  const read = readConfig(distillSchema, json);
  checkDistillConfig(read);
  return read;
};
const distil = async (json: unknown, name: string) => {
  const out = join(root, name);
  const ended = await distillRun(configOf(json), { device: cpu, model, out, beside: root, resume: false, signal });
  expect(ended.finished).toBe(true);
  return out;
};
const weightsIn = (folder: string) => readFileSync(join(folder, "transformer", "diffusion_pytorch_model.safetensors"));

test("a PixArt's student is a PixArt that begins where it was trained to", async () => {
  const out = await distil(config, "student");
  const student = await openModel(nodeFolder(out));
  expect(planOf(student, { prompt: "a cat" })).toMatchObject({ steps: 1, timestep: 400 });
  expect(planOf(student, { prompt: "a cat", steps: 2 })).not.toHaveProperty("timestep");
  expect(weightsIn(out).equals(weightsIn(model))).toBe(false);
  using loaded = await loadModel(student, { device: cpu });
  const { width, height } = await generate(loaded, { prompt: "a cat", negative: "blurry" });
  expect([width, height]).toEqual([16, 16]);
});

test("texts kept on disk teach what texts encoded in each step do", async () => {
  const kept = await distil({ ...config, embeddings: { keep: "f32" } }, "kept");
  const fresh = await distil(config, "fresh");
  expect(weightsIn(kept).equals(weightsIn(fresh))).toBe(true);
});

test("the text encoder lies in memory as the transformer does, and texts that either encodes are kept apart", async () => {
  const opened = (base: string) => {
    const json = { ...config, base, embeddings: { keep: "f16", folder: "shared" } };
    return openDistillTeacher({ device: cpu, folder: model, config: configOf(json), beside: root, out: join(root, "none"), signal });
  };
  const held = async (base: string) => {
    const before = cpu.memory().bytes;
    using _ = await opened(base);
    return cpu.memory().bytes - before;
  };
  const whole = await held("f32");
  await expect(opened("f16")).rejects.toThrow("shared: the cache is of another encoder: encoder is ");
  rmSync(join(root, "shared"), { recursive: true });
  const saved = whole - (await held("f16"));
  const shape = await openModel(nodeFolder(model));
  expect(saved).toBe(2 * (countOf(needed(shape.network)) + countOf(needed(shape.text))));

  const costOf = (base: string) => {
    const step = distillCost(configOf({ ...config, base }), { model: shape });
    const before = encodingCost(configOf({ ...config, base, embeddings: { keep: "f16" } }), { model: shape })!;
    expect(before.parts.reduce((sum, [, bytes]) => sum + bytes, 0)).toBe(before.peakBytes);
    return [step, before].map(({ parts }) => new Map(parts).get("text encoder")!);
  };
  expect(costOf("f16").map((bytes) => 2 * bytes)).toEqual(costOf("f32"));
  expect(encodingCost(configOf(config), { model: shape })).toBeUndefined();
});

test("padding that is zero counts as little as padding that a mask hides", async () => {
  using loaded: LoadedModel = await loadModel(await openModel(nodeFolder(model)), { device: cpu });
  await scope(async (s) => {
    const { masked, hidden, seen } = s.run(() => {
      const { network, encodeText, model: opened } = loaded;
      const x = tensor(torchGenerator(0).randn(2 * 256), { shape: [2, 4, 8, 8] });
      const texts = ["a cat", "a photo of a red chair by the lake"];
      const { lengths, truncated, ...context } = encodeTexts(loaded, texts);
      expect([lengths[0] < lengths[1], truncated]).toEqual([true, [0, 0]]);
      const tokens = withZeroPadding(opened.text, encodeText, opened.tokenizer.padId)(tokenIds(opened, texts, cpu));
      const all = context.mask!.mul(0).add(1);
      return { masked: network(x, 400, context), hidden: network(x, 400, { tokens }), seen: network(x, 400, { ...context, mask: all }) };
    });
    const [a, b, c] = await Promise.all([masked, hidden, seen].map((t) => t.data()));
    expect(b).toEqual(a);
    expect(c).not.toEqual(a);
  });
});

test("a student of several steps begins at the last timestep", () => {
  expect(() => configOf({ ...config, student: { ...config.student, steps: 2 } })).toThrow(
    "config: student.timestep is 400 and student.steps 2. Only one step begins where it is told to.",
  );
});

test("a step is counted without weights", async () => {
  const cost = distillCost(configOf(config), { model: await openModel(nodeFolder(model)) });
  expect(cost.parameters.student).toBe(cost.parameters.teacher);
  expect(cost.flops).toBeGreaterThan(0);
});
