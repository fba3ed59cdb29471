import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { cpu } from "@snoopi/core";
import { openLora } from "@snoopi/models";
import { nodeFolder } from "@snoopi/models/node";
import { afterAll, expect, test } from "vitest";
import { writeMiniatureTeacher } from "../../../../../test/miniature-teacher.ts";
import { generate } from "../../pipeline/generate.ts";
import { loadModel } from "../../pipeline/load.ts";
import { openModel } from "../../pipeline/open.ts";
import { distillSchema } from "../distill-config.ts";
import { readConfig } from "../schema.ts";
import { distillRun } from "./distill-run.ts";

const root = mkdtempSync(join(tmpdir(), "snoopi-lora-"));
afterAll(() => rmSync(root, { recursive: true, force: true }));

test("a student by an adapter is a LoRA as well, which makes it of its teacher", async () => {
  const [model, out] = [join(root, "teacher"), join(root, "student")];
  await writeMiniatureTeacher(model);
  const student = { train: "lora", rank: 2, alpha: 4, rate: { peak: 1e-2 }, ema: 0.9 };
  const config = readConfig(distillSchema, { steps: 4, batch: 2, sampleEvery: 0, student, clip: { weight: 0 } });
  await distillRun(config, { device: cpu, model, out, beside: root, resume: false, signal: new AbortController().signal });

  const lora = await openLora(nodeFolder(out));
  expect([...new Set([...lora.layers.values()].map(({ rank, factor }) => [rank, factor].join()))]).toEqual(["2,1"]);
  const teacher = await openModel(nodeFolder(model));
  using merged = await loadModel(await openModel(nodeFolder(out)), { device: cpu });
  using added = await loadModel(teacher, { device: cpu, loras: [{ lora }] });
  using without = await loadModel(teacher, { device: cpu });
  await lora.close();
  const [a, b, c] = await Promise.all([merged, added, without].map((one) => generate(one, { prompt: "a star", steps: 1 })));
  // The same sums: the factor is a power of two.
  expect(b.data).toEqual(a.data);
  expect(c.data).not.toEqual(a.data);
});
