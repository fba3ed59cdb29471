import { join } from "node:path";
import { openLora } from "@snoopi/models";
import { nodeFolder } from "@snoopi/models/node";
import { type LoadModelOptions, loadModel, planOf, type Request, sample } from "@snoopi/snoopi";
import { describe, expect, test } from "vitest";
import { devices } from "../devices.ts";
import { goldenFolder, goldenJson, goldenTensors, relativeError } from "../models/goldens.ts";
import { openTiny } from "./tiny.ts";

// One LoRA under the names of today's diffusers, of kohya and of diffusers in 2023, and the samplers that golden/lora.py draws with.

interface Case extends Required<Pick<Request, "prompt" | "seed" | "steps" | "sampler">> {
  readonly name: string;
  readonly scale?: number;
}
const cases: readonly Case[] = goldenJson("pipeline/samplers").cases;
const lora = (file?: string) => openLora(nodeFolder(join(goldenFolder, "lora")), file);
// f32 sums in another order, as for the other pictures of this checkpoint.
const latentError = 1e-4;

async function drawn({ name, prompt, seed, steps, sampler }: Case, options: LoadModelOptions): Promise<number> {
  using loaded = await loadModel(await openTiny("sd15-tiny"), options);
  const latents = await sample(loaded, planOf(loaded.model, { prompt, seed, steps, sampler, guidance: 1 }));
  const golden = await goldenTensors("pipeline/samplers");
  const error = await relativeError(latents, golden(`${name}.latents`));
  latents.dispose();
  return error;
}

describe.each(devices)("on $name", ({ device }) => {
  test.each(cases.filter(({ scale }) => scale === undefined))("$name draws diffusers' latents", async (one) => {
    expect(await drawn(one, { device })).toBeLessThan(latentError);
  });

  const [adapted] = cases.filter(({ scale }) => scale !== undefined);
  test.each([undefined, "pytorch_lora_weights.safetensors", "kohya.safetensors", "before.safetensors"])("a LoRA, %s", async (file) => {
    const opened = await lora(file);
    const warnings: string[] = [];
    const loras = [{ lora: opened, scale: adapted.scale! }];
    expect(await drawn(adapted, { device, loras, onWarning: (text) => warnings.push(text) })).toBeLessThan(latentError);
    expect(warnings).toEqual([]);
    await opened.close();
  });

  test("LoRAs add up, and none of it is none", async () => {
    const [one, other] = [await lora(), await lora("kohya.safetensors")];
    const use = (...scales: number[]) => ({ device, loras: [one, other].map((lora, i) => ({ lora, scale: scales[i] })) });
    expect(await drawn(adapted, use(adapted.scale! - 0.2, 0.2))).toBeLessThan(latentError);
    const [lcm] = cases.filter(({ name }) => name === "lcm");
    expect(await drawn(lcm, use(0, 0))).toBeLessThan(latentError);
    for (const opened of [one, other]) await opened.close();
  });
});
