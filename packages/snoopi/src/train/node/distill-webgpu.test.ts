import { mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { openSafetensors } from "@snoopi/models";
import { fileSource } from "@snoopi/models/node";
import { afterAll, expect, test } from "vitest";
import { tiny } from "../../../../../test/cli/command.ts";
import { gpu } from "../../../../../test/gpu.ts";
import { fromCsv } from "../curve.ts";
import { distillSchema } from "../distill-config.ts";
import { readConfig } from "../schema.ts";
import { distillRun } from "./distill-run.ts";

const root = mkdtempSync(join(tmpdir(), "snoopi-distill-gpu-"));
afterAll(() => rmSync(root, { recursive: true, force: true }));

test.skipIf(!gpu.device)(
  "a distillation stopped and resumed on WebGPU ends within float noise of the whole one",
  { timeout: 300_000 },
  async () => {
    const device = gpu.device!;
    const model = tiny("sd15");
    writeFileSync(join(root, "prompts.txt"), "a cat\na dog\n");
    const config = readConfig(distillSchema, {
      ...{ prompts: "prompts.txt", size: 16, steps: 4, batch: 2, checkpointEvery: 2, sampleEvery: 0 },
      student: { rate: { peak: 1e-4 }, ema: 0.9 },
      loraTeacher: { rank: 2, alpha: 4 },
      clip: { weight: 0 },
    });
    const run = (name: string, resume: boolean, stopAfter = Number.POSITIVE_INFINITY) => {
      const controller = new AbortController();
      let done = 0;
      const onStep = () => ++done === stopAfter && controller.abort();
      return distillRun(config, { device, model, out: join(root, name), beside: root, resume, signal: controller.signal, onStep });
    };
    await run("whole", false);
    expect((await run("parts", false, 3)).finished).toBe(false);
    await run("parts", true);

    const weights = async (name: string) => {
      const path = join(root, name, "unet/diffusion_pytorch_model.safetensors");
      const file = await openSafetensors(await fileSource(path), path);
      const all = new Map<string, Float32Array>();
      for (const key of file.entries.keys()) all.set(key, (await file.read(key, { dtype: "f32" })).data as Float32Array);
      await file.close();
      return all;
    };
    const [whole, parts] = [await weights("whole"), await weights("parts")];
    for (const [name, values] of whole) {
      const other = parts.get(name)!;
      // A step moves a weight by 1e-4 at most, wherever its gradient's sign is sure: sums in another order are far below.
      expect(values.every((v, i) => Math.abs(v - other[i]) <= 1e-6 + 1e-5 * Math.abs(v))).toBe(true);
    }
    const losses = (name: string) =>
      fromCsv(readFileSync(join(root, name, "training/distill/loss.csv"), "utf8"), name).map(({ loss }) => loss);
    losses("whole").forEach((loss, i) => {
      // The first is 0: the LoRA teacher begins as the teacher.
      expect(Math.abs(losses("parts")[i] - loss)).toBeLessThanOrEqual(1e-5 * loss);
    });
  },
);
